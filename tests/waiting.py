"""Waiting for what other processes do."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
INTERVAL_SECONDS = 0.05


def until(look: Callable[[], T], seconds: float, interval: float = INTERVAL_SECONDS) -> T:
    """The first true value that ``look`` returns; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not seen within {seconds:g} s"
        time.sleep(interval)
    return found
