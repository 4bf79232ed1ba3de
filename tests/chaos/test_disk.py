"""A small disk is small, full when it is filled, and nobody else's."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import disk

BYTES = 2**20
FILL = """
import pathlib, sys
file = pathlib.Path(sys.argv[1], "file")
try:
    file.write_bytes(bytes(2 * 2**20))
except OSError as exc:
    print(exc.strerror)
file.unlink()
file.write_bytes(b"again")
print(file.read_text())
"""


def test_it_is_full_after_so_many_bytes_and_not_seen_from_outside(tmp_path: Path) -> None:
    if obstacle := disk.find_obstacle():
        pytest.skip(f"no small disk: {obstacle}")
    folder = tmp_path / "disk"
    command = disk.on_small_disk(folder, BYTES, (sys.executable, "-c", FILL, str(folder)))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "No space left on device\nagain\n"
    assert list(folder.iterdir()) == []
