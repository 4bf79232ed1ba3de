"""Orchestrators whose clock is ahead, by libfaketime, beside the stack's own."""

import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.chaos import strikes
from tests.chaos.stack import ChaosStack
from tests.waiting import until

AHEAD = "+61s"
"""A little more than the lease of a step."""
START_SECONDS = 60.0
WATCH_SECONDS = 50.0
"""A lease and some more: an orchestrator judges nobody before it has watched for so long."""
NOTICE_SECONDS = 75.0
"""In which an orchestrator must have noticed that its clock is ahead."""
NOTICED = "The clock of this machine is"
ORCHESTRATE = """
import runpy, sys, threading, time
time.sleep = lambda seconds: threading.Event().wait(seconds) and None
sys.argv = ["manage.py", "orchestrate"]
runpy.run_path("manage.py", run_name="__main__")
"""
"""An orchestrator: `time.sleep` fails where libfaketime 0.9.10 leaves the monotonic clock alone."""
LIBRARIES = (Path("/usr/lib"), Path("/usr/lib64"), Path("/usr/local/lib"))


@cache
def find_library() -> Path | None:
    """Find libfaketime for programs with threads."""
    return next((path for folder in LIBRARIES for path in folder.rglob("libfaketimeMT.so.1")), None)


def find_obstacle() -> str:
    """Return why no clock can be set ahead here; empty if one can."""
    return "" if find_library() else "libfaketime is not installed (Debian: faketime)"


def start_orchestrators(stack: ChaosStack, watch_seconds: float = WATCH_SECONDS) -> None:
    """Start one whose clock is ahead, and one whose clock `jump_ahead` sets; let them watch."""
    stack.start_orchestrator(faked(FAKETIME=AHEAD), ("-c", ORCHESTRATE))
    offset = _offset_file(stack)
    offset.write_text("+0s\n")
    _, log = stack.start_orchestrator(jumping(offset), ("-c", ORCHESTRATE))
    until(lambda: "orchestrator started" in log.read_text(), START_SECONDS)
    time.sleep(watch_seconds)


def jump_ahead(stack: ChaosStack) -> float:
    """Set the second clock ahead while workers are slow over what they hold."""
    _offset_file(stack).write_text(f"{AHEAD}\n")
    return strikes.slow_down_steps(stack)


def find_complaints(stack: ChaosStack, user_id: str) -> Iterator[str]:
    """Yield each of these orchestrators that has not noticed that its clock is ahead.

    The one that started with it must have ended; the other one may only have stopped to judge, as
    the audit of the jobs sees.
    """
    for _, log in stack.other_orchestrators:
        try:
            until(lambda: NOTICED in log.read_text(), NOTICE_SECONDS)  # noqa: B023
        except AssertionError:
            yield f"{log.name}: says nothing of its clock, which is {AHEAD} ahead"
    started_wrong, _ = stack.other_orchestrators[0]
    try:
        until(lambda: bool(started_wrong.poll()), NOTICE_SECONDS)
    except AssertionError:
        yield "an orchestrator that started with a wrong clock works on"


def jumping(offset: Path) -> dict[str, str]:
    """Return the variables of a process whose clock is off by what a file says at any time."""
    return faked(FAKETIME_TIMESTAMP_FILE=str(offset), FAKETIME_CACHE_DURATION="1")


def faked(**variables: str) -> dict[str, str]:
    """Return the variables of a process whose wall clock is off as these variables say."""
    return {
        "LD_PRELOAD": str(find_library()),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        **variables,
    }


def _offset_file(stack: ChaosStack) -> Path:
    return stack.var / "clock"
