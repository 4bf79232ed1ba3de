"""The processor time of processes, as Linux tells it: it does not depend on what else runs."""

import os
from itertools import pairwise
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PARENT, USER, SYSTEM = 1, 11, 12
"""Places in ``/proc/<pid>/stat``, from the state on."""


def pid_at(port: str, name: str) -> int:
    """The process that was started with ``--port``, by a command with this name."""
    for pid in _pids():
        words = _read(pid, "cmdline").split("\0")
        if ("--port", port) in pairwise(words) and any(name in word for word in words):
            return pid
    raise RuntimeError(f"no process of {name} has the port {port}")


def seconds(pid: int) -> float:
    """What a process and all that it has started have taken, threads that ended too."""
    stats = {each: _stat(each) for each in _pids()}
    family, before = {pid}, 0
    while before < len(family):
        before = len(family)
        family |= {each for each, stat in stats.items() if stat and int(stat[PARENT]) in family}
    return sum(int(stats[one][USER]) + int(stats[one][SYSTEM]) for one in family) / TICKS


def _pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]


def _stat(pid: int) -> list[str]:
    """Without the name, which may hold anything; empty if the process has gone."""
    return _read(pid, "stat").rpartition(")")[2].split()


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""
