"""Points at which a process dies when the chaos suite says so, and never else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from auteur.devstack.processes import BASE_DIR
from jobs.failpoints import VARIABLE

PASS_TWO = (
    "from jobs.failpoints import failpoint; failpoint('first'); failpoint('second'); print('alive')"
)


def run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != VARIABLE}
    return subprocess.run(
        [sys.executable, "-c", PASS_TWO],
        cwd=BASE_DIR,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_nothing_happens_without_the_variable(tmp_path: Path) -> None:
    (tmp_path / "first").touch()
    assert run({}).stdout == "alive\n"
    assert (tmp_path / "first").exists()


def test_an_armed_point_kills_one_process_once(tmp_path: Path) -> None:
    (tmp_path / "second").touch()
    armed = {VARIABLE: str(tmp_path)}
    assert run(armed).returncode == -signal.SIGKILL
    assert run(armed).stdout == "alive\n"


def test_a_point_armed_with_seconds_makes_one_process_slow_once(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("1.5")
    armed = {VARIABLE: str(tmp_path)}
    began = time.monotonic()
    assert run(armed).stdout == "alive\n"
    assert time.monotonic() - began >= 1.5
    assert not (tmp_path / "first").exists()


def test_a_point_that_is_not_armed_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "third").touch()
    assert run({VARIABLE: str(tmp_path)}).stdout == "alive\n"


def test_no_program_of_the_stack_arms_them() -> None:
    assert VARIABLE not in os.environ
    texts = [
        (BASE_DIR / name).read_text()
        for name in ("docker-compose.yml", "auteur/devstack/environment.py")
    ]
    assert all(VARIABLE not in text for text in texts)
