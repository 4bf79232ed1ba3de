"""One stack per data folder, and nothing left of one whose supervisor was killed.

``stack.lock`` is held (flock) while a supervisor lives, so the kernel frees it; ``stack.json`` says
what runs.
"""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

import psutil

from auteur.devstack.environment import write_private
from auteur.devstack.errors import StackError

LOCK_NAME = "stack.lock"
STATE_NAME = "stack.json"
CLOCK_SECONDS = 2.0  # how far two readings of one start time may be apart
LEFTOVER_GRACE_SECONDS = 3.0
POLL_SECONDS = 0.05


@dataclass
class Running:
    """What runs: the supervisor, its processes by name (id and start time), its addresses."""

    supervisor: int
    ready: bool = False
    addresses: dict[str, str] = field(default_factory=dict)
    processes: dict[str, tuple[int, float]] = field(default_factory=dict)


def acquire(var: Path) -> IO[str]:
    """Take the data folder for this process until the file returned is closed."""
    lock = (var / LOCK_NAME).open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        lock.close()
        raise StackError(_already_runs(read(var))) from exc
    return lock


def is_held(var: Path) -> bool:
    """Whether a supervisor lives."""
    if not (var / LOCK_NAME).exists():
        return False
    with (var / LOCK_NAME).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _already_runs(running: Running | None) -> str:
    if running is None:
        return "The stack is being started by another command."
    where = f" at {running.addresses['API']}" if "API" in running.addresses else ""
    return (
        f"The stack already runs{where} (process {running.supervisor}): "
        f"use it, or stop it with Ctrl-C in its terminal or `kill {running.supervisor}`."
    )


def read(var: Path) -> Running | None:
    """What the last supervisor said; None where it stopped in order."""
    try:
        state = json.loads((var / STATE_NAME).read_text())
        processes = {name: (pid, at) for name, (pid, at) in state.pop("processes").items()}
        return Running(**state, processes=processes)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as exc:
        raise StackError(f"{var / STATE_NAME} is damaged: remove it.") from exc


def write(var: Path, running: Running) -> None:
    """Say what runs."""
    write_private(var / STATE_NAME, json.dumps(asdict(running), indent=1) + "\n")


def clear(var: Path) -> None:
    """Nothing runs any more."""
    (var / STATE_NAME).unlink(missing_ok=True)


def started_at(pid: int) -> float:
    """When a process started; with its id, this tells it from a later one."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def end_leftovers(var: Path) -> list[str]:
    """End what a killed supervisor left behind; the names of what was still there."""
    running = read(var)
    if running is None:
        return []
    groups = _groups()
    found: dict[str, list[psutil.Process]] = {}
    for name, (pid, at) in running.processes.items():
        if members := _ours(groups.get(pid, []), pid, at):
            found[name] = members
    _end([process for members in found.values() for process in members])
    clear(var)
    return list(found)


def _groups() -> Mapping[int, list[psutil.Process]]:
    groups: dict[int, list[psutil.Process]] = {}
    for process in filter(is_alive, psutil.process_iter()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            groups.setdefault(os.getpgid(process.pid), []).append(process)
    return groups


def _ours(members: list[psutil.Process], pid: int, at: float) -> list[psutil.Process]:
    """The members of a group if it is the one that was started ``at``, else none of them."""
    times: dict[int, float] = {member.pid: started_at(member.pid) for member in members}
    if pid in times and abs(times[pid] - at) > CLOCK_SECONDS:
        return []
    if any(time < at - CLOCK_SECONDS for time in times.values()):
        return []
    return members


def _end(processes: list[psutil.Process]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + LEFTOVER_GRACE_SECONDS
        while any(map(is_alive, processes)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still does something; one that nobody has waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
