"""What a piece of work costs: processor time, and the memory that Python asks for at once."""

import gc
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Of one run each: counting memory makes work ten times slower."""

    cpu_seconds: float
    peak_bytes: int

    @property
    def is_small(self) -> bool:
        """What one request may cost, whatever it holds."""
        return self.cpu_seconds < 2 and self.peak_bytes < 100_000_000


def cost_of(work: Callable[[], object]) -> Cost:
    """Do the work twice, measured.

    What other tests of the process have left is kept out of garbage collection meanwhile: to walk
    through a gigabyte of it would count as the work's own time.
    """
    gc.collect()
    gc.freeze()
    try:
        began = time.process_time()
        work()
        cpu_seconds = time.process_time() - began
    finally:
        gc.unfreeze()
    tracemalloc.start()
    try:
        work()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return Cost(cpu_seconds, peak_bytes)
