"""The number of CPU cores that this process may use."""

import os
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def count_cores(cpu_max: Path = CPU_MAX) -> int:
    """Return the cores in the affinity mask, or fewer if the container's quota is smaller.

    The result is at least 1. A container's quota is microseconds of CPU time for each period:
    `150000 100000` is one and a half cores, counted as two.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = map(int, cpu_max.read_text().split())
    except (OSError, ValueError):  # The file is missing, or says `max` for no limit.
        return cores or 1
    return max(1, min(cores or 1, -(-quota // period)))
