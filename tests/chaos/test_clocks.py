"""A process with a faked clock is ahead of us from its start, or from a moment on."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos import clocks
from tests.waiting import until

CLOCK = "import time; print(time.time())"
TELL = """
import threading, time
while True:
    print(time.time(), flush=True)
    threading.Event().wait(0.1)
"""


@pytest.fixture(autouse=True)
def library() -> None:
    if obstacle := clocks.find_obstacle():
        pytest.skip(obstacle)


def test_the_clock_is_ahead() -> None:
    variables = os.environ | clocks.faked(FAKETIME=clocks.AHEAD)
    began = time.time()
    output = subprocess.check_output([sys.executable, "-c", CLOCK], env=variables)
    assert 61 <= float(output) - began <= 61 + (time.time() - began)


def test_a_clock_can_be_set_ahead_while_the_process_runs(tmp_path: Path) -> None:
    (offset := tmp_path / "offset").write_text("+0s\n")
    output = tmp_path / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", TELL], env=os.environ | clocks.jumping(offset), stdout=file
        )

    def told() -> list[float]:
        lines, _, _ = output.read_text().rpartition("\n")
        return [float(line) for line in lines.split()]

    try:
        until(told)
        assert max(told()) < time.time() + 30
        offset.write_text(f"{clocks.AHEAD}\n")
        until(lambda: max(told()) > time.time() + 30)
    finally:
        process.kill()
        process.wait()
