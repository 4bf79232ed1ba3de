"""Ensure that a data folder has one stack, and end processes of a killed supervisor.

A supervisor holds ``stack.lock`` (flock) while it lives, so the kernel releases it. ``stack.json``
lists its processes.
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
CLOCK_SECONDS = 2.0  # Two readings of one start time may differ by this much.
LEFTOVER_GRACE_SECONDS = 3.0
POLL_SECONDS = 0.05


@dataclass
class RunningStack:
    """A running stack: the supervisor, its processes by name (id and start time), its addresses."""

    supervisor: int
    ready: bool = False
    addresses: dict[str, str] = field(default_factory=dict)
    processes: dict[str, tuple[int, float]] = field(default_factory=dict)


def lock_folder(var: Path) -> IO[str]:
    """Lock the data folder for this process until the returned file is closed."""
    lock = (var / LOCK_NAME).open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        lock.close()
        raise StackError(_describe_running_stack(read_state(var))) from exc
    return lock


def is_locked(var: Path) -> bool:
    """Return True if a supervisor lives."""
    if not (var / LOCK_NAME).exists():
        return False
    with (var / LOCK_NAME).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _describe_running_stack(running: RunningStack | None) -> str:
    if running is None:
        return "Another command is starting the stack. Try again shortly."
    location = f" at {running.addresses['API']}" if "API" in running.addresses else ""
    return (
        f"The stack already runs{location} (process {running.supervisor}). "
        f"Use it, or stop it with Ctrl-C in its terminal or `kill {running.supervisor}`."
    )


def read_state(var: Path) -> RunningStack | None:
    """Return the state that the last supervisor wrote, or None if it has stopped in order."""
    try:
        state = json.loads((var / STATE_NAME).read_text())
        processes = {
            name: (pid, start_time) for name, (pid, start_time) in state.pop("processes").items()
        }
        return RunningStack(**state, processes=processes)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as exc:
        raise StackError(f"{var / STATE_NAME} is damaged. Delete it.") from exc


def write_state(var: Path, running: RunningStack) -> None:
    """Write the state of the running stack."""
    write_private(var / STATE_NAME, json.dumps(asdict(running), indent=1) + "\n")


def delete_state(var: Path) -> None:
    """Delete the state, because nothing runs any more."""
    (var / STATE_NAME).unlink(missing_ok=True)


def get_start_time(pid: int) -> float:
    """Return when a process started. With its id, this distinguishes it from a later one."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def end_leftovers(var: Path) -> list[str]:
    """End the processes of a killed supervisor. Return the names of those that still ran."""
    running = read_state(var)
    if running is None:
        return []
    groups = _list_groups()
    members_by_name: dict[str, list[psutil.Process]] = {}
    for name, (pid, start_time) in running.processes.items():
        if members := _filter_own_members(groups.get(pid, []), pid, start_time):
            members_by_name[name] = members
    _end_processes([process for members in members_by_name.values() for process in members])
    delete_state(var)
    return list(members_by_name)


def _list_groups() -> Mapping[int, list[psutil.Process]]:
    groups: dict[int, list[psutil.Process]] = {}
    for process in filter(is_alive, psutil.process_iter()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            groups.setdefault(os.getpgid(process.pid), []).append(process)
    return groups


def _filter_own_members(
    members: list[psutil.Process], pid: int, start_time: float
) -> list[psutil.Process]:
    """Return the members of a group if it was started at ``start_time``, else none."""
    times: dict[int, float] = {member.pid: get_start_time(member.pid) for member in members}
    if pid in times and abs(times[pid] - start_time) > CLOCK_SECONDS:
        return []
    if any(member_time < start_time - CLOCK_SECONDS for member_time in times.values()):
        return []
    return members


def _end_processes(processes: list[psutil.Process]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + LEFTOVER_GRACE_SECONDS
        while any(map(is_alive, processes)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def is_alive(process: psutil.Process) -> bool:
    """Return True if a process runs. A zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
