"""Waiting for what other processes do."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
INTERVAL_SECONDS = 0.05
LIMIT_SECONDS = 60.0
"""Longer than a busy machine takes for anything that does come."""


def until(
    look: Callable[[], T], seconds: float = LIMIT_SECONDS, interval: float = INTERVAL_SECONDS
) -> T:
    """Return the first true value of ``look``; fail the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not seen within {seconds:g} s"
        time.sleep(interval)
    return found


def hang(pid: int) -> None:
    """SIGSTOP a process, and return when its threads have stopped: until then they may answer."""
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")
    until(lambda: {_state(thread) for thread in threads.iterdir()} == {"T"})


def _state(process: Path) -> str:
    return (process / "stat").read_text().rpartition(")")[2].split()[0]
