"""Read the processor time of processes from Linux: it does not depend on other load."""

import os
from itertools import pairwise
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PARENT, USER, SYSTEM = 1, 11, 12
"""Indexes in ``/proc/<pid>/stat``, counted from the state."""


def find_pid(port: str, name: str) -> int:
    """Return the process that was started with ``--port`` by a command with this name."""
    for pid in _pids():
        words = _read(pid, "cmdline").split("\0")
        if ("--port", port) in pairwise(words) and any(name in word for word in words):
            return pid
    raise RuntimeError(f"no process of {name} has the port {port}")


def read_cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its descendants, including ended threads."""
    stats = {pid: _stat(pid) for pid in _pids()}
    family, before = {pid}, 0
    while before < len(family):
        before = len(family)
        family |= {pid for pid, stat in stats.items() if stat and int(stat[PARENT]) in family}
    return sum(int(stats[member][USER]) + int(stats[member][SYSTEM]) for member in family) / TICKS


def _pids() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal()]


def _stat(pid: int) -> list[str]:
    """Return the fields after the name, which may contain anything; none after the end."""
    return _read(pid, "stat").rpartition(")")[2].split()


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""
