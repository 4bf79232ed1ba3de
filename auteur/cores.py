"""How many cores this process may use."""

import os
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def count_cores(cpu_max: Path = CPU_MAX) -> int:
    """Those it may run on, or fewer where its container gets less time than they have; at least 1.

    A container's share is microseconds for each period of so many: `150000 100000` is one and a
    half, for which two are counted.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = map(int, cpu_max.read_text().split())
    except (OSError, ValueError):  # no such file, or `max` for no limit
        return cores or 1
    return max(1, min(cores or 1, -(-quota // period)))
