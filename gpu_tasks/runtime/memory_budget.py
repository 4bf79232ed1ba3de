"""Limit the memory that the sandboxed children of one container use together.

The budget is divided into units. Each unit is a file that a reservation locks (flock), so the
budget holds across all processes that use the same folder. The kernel drops the locks of a process
that is killed.
"""

import atexit
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from gpu_tasks.runtime.confinement import MIB, Limits
from gpu_tasks.runtime.errors import KilledError

UNIT_BYTES = 32 * MIB
CHILD_BYTES = 96 * MIB
"""Resident in a child before its limit counts: the interpreter and the libraries it imports."""
POLL_SECONDS = 0.05
"""Pause between two attempts to reserve memory that other processes hold."""


class MemoryBusyError(KilledError):
    """Other children use the memory of this container: the child was ended, or not started."""


class Reservation:
    """The memory reserved for one child, until it is released."""

    def __init__(self, budget: "MemoryBudget", locks: ExitStack, size_bytes: int) -> None:
        self._budget, self._locks = budget, locks
        self.size_bytes = size_bytes

    def grow(self, size_bytes: int) -> bool:
        """Reserve more, for a child that has grown; return False if the budget is too small.

        Raises ``MemoryBusyError`` if other children have reserved the missing part.
        """
        missing = count_units(size_bytes) - count_units(self.size_bytes)
        if count_units(size_bytes) > self._budget.units:
            return False
        if missing > 0:
            locks = self._budget.lock(missing)
            if locks is None:
                raise MemoryBusyError
            self._locks.push(locks)
            self.size_bytes += missing * UNIT_BYTES
        return True

    def release(self) -> None:
        """Release the memory; a second call does nothing."""
        self._locks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


@dataclass(frozen=True)
class MemoryBudget:
    """The memory that all children share.

    A child that may use more than ``first_bytes`` starts with that many, and its reservation grows
    with it.
    """

    folder: Path
    total_bytes: int
    first_bytes: int
    wait_seconds: float | None = None
    """The longest wait of ``reserve``; None waits until memory is free."""

    @property
    def units(self) -> int:
        return self.total_bytes // UNIT_BYTES

    def lock(self, count: int) -> ExitStack | None:
        """Lock this many units until the result is closed; return None if they are not free."""
        with (self.folder / "gate").open("wb") as gate, ExitStack() as locks:
            # One attempt at a time: two would take units from each other, and both fail.
            fcntl.flock(gate, fcntl.LOCK_EX)
            for number in range(self.units):
                unit = (self.folder / str(number)).open("wb")
                try:
                    fcntl.flock(unit, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    unit.close()
                    continue
                locks.push(unit)
                count -= 1
                if not count:
                    return locks.pop_all()
        return None

    def try_reserve(self, limits: Limits) -> Reservation | None:
        """Reserve what a child with these limits starts with; return None if it is not free."""
        count = min(
            count_units(compute_max_bytes(limits)), count_units(self.first_bytes), self.units
        )
        locks = self.lock(count)
        return None if locks is None else Reservation(self, locks, count * UNIT_BYTES)

    def reserve(self, limits: Limits, tick: Callable[[], None] = lambda: None) -> Reservation:
        """Wait for memory and reserve it.

        Raises ``MemoryBusyError``, and what ``tick`` raises during the wait.
        """
        started_at = ticked_at = time.monotonic()
        while (reservation := self.try_reserve(limits)) is None:
            now = time.monotonic()
            if self.wait_seconds is not None and now - started_at > self.wait_seconds:
                raise MemoryBusyError
            if now - ticked_at >= 1:
                tick()
                ticked_at = now
            time.sleep(POLL_SECONDS)
        return reservation


def count_units(size_bytes: int) -> int:
    """Return the units that hold so many bytes."""
    return -(-size_bytes // UNIT_BYTES)


def compute_max_bytes(limits: Limits) -> int:
    """Return the most memory that a child with these limits may use."""
    return sys.maxsize if limits.memory_bytes is None else limits.memory_bytes + CHILD_BYTES


_budget: MemoryBudget | None = None


def share_budget(total_bytes: int, first_bytes: int, wait_seconds: float | None = None) -> None:
    """Make all children of this process, and of processes it forks later, share one budget."""
    global _budget  # noqa: PLW0603 - one of each process
    folder = Path(tempfile.mkdtemp(prefix="auteur-memory-"))
    _budget = MemoryBudget(folder, total_bytes, first_bytes, wait_seconds)
    atexit.register(_remove_folder, folder, os.getpid())


def _remove_folder(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # not a process that was forked
        shutil.rmtree(folder, ignore_errors=True)


def find_budget() -> MemoryBudget | None:
    """Return the budget of this process, or None if it has none."""
    return _budget


@contextmanager
def reserve_memory(
    limits: Limits, tick: Callable[[], None] = lambda: None
) -> Iterator[Reservation | None]:
    """Reserve memory for a child while the context lasts; yield None if there is no budget.

    Raises ``MemoryBusyError``, and what ``tick`` raises during the wait.
    """
    if _budget is None:
        yield None
        return
    with _budget.reserve(limits, tick) as reservation:
        yield reservation
