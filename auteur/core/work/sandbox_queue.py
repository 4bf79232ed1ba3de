"""The queue of users who wait to start sandboxed children in a process of the API.

Children that read files for a request share one memory budget of the container
(`gpu_tasks.runtime.memory_budget`). A request waits a moment for its share, then ends with 503.
"""

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings

from auteur.core.api.problems import Problem
from gpu_tasks.runtime import memory_budget
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.memory_budget import POLL_SECONDS, MemoryBusyError, Reservation

MAX_WAIT_SECONDS = 2.0
MAX_RUNNING = max(1, settings.API_SERVER["threads"] // 4)
"""The most children of one process, each of another user."""
MAX_WAITING = max(1, settings.API_SERVER["threads"] // 2)
"""The most waiting requests of one process. Each occupies a thread; the others answer requests."""
MAX_REMEMBERED = 1000
"""The most users whose last child is remembered."""


class FilesBusyProblem(Problem):
    """The memory for reading files is used up. Nothing was done."""

    status_code = 503
    default_code = "files_busy"
    default_detail = "Too many files are being read at the moment. Try again shortly."
    headers: Final = {"Retry-After": "1"}  # type: ignore[misc]


@dataclass(eq=False)
class _Ticket:
    user_id: UUID
    number: int
    limits: Limits
    problem: type[FilesBusyProblem]


class SandboxQueue:
    """A queue that gives memory to the waiting user served longest ago, one child per user."""

    def __init__(self, *, running: int, waiting: int, seconds: float) -> None:
        self._max_running, self._max_waiting, self._seconds = running, waiting, seconds
        self._numbers = itertools.count()
        self._running: set[UUID] = set()
        self._waiting: list[_Ticket] = []
        self._served_at: OrderedDict[UUID, float] = OrderedDict()
        self._changed = threading.Condition()

    @contextmanager
    def reserve(
        self,
        user_id: UUID,
        limits: Limits,
        problem: type[FilesBusyProblem] = FilesBusyProblem,
    ) -> Iterator[Reservation | None]:
        """Reserve memory for the user's children, one after another, while the context lasts.

        Yield None if this process has no budget. Raise ``problem`` after the maximum wait, and at
        once if another request of the user waits or the queue is full of users who go first.
        """
        ticket = _Ticket(user_id, next(self._numbers), limits, problem)
        with self._changed:
            self._enqueue(ticket)
            try:
                reservation = self._wait_for_memory(ticket)
            finally:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
                self._changed.notify_all()
            self._running.add(user_id)
            self._note_served(user_id)
        try:
            yield reservation
        except MemoryBusyError as exc:  # The child needs more, and other children have the memory.
            raise problem from exc
        finally:
            if reservation is not None:
                reservation.release()
            with self._changed:
                self._running.discard(user_id)
                self._note_served(user_id)
                self._changed.notify_all()

    def _enqueue(self, ticket: _Ticket) -> None:
        if any(other.user_id == ticket.user_id for other in self._waiting):
            raise ticket.problem
        if len(self._waiting) >= self._max_waiting:
            last = max(self._waiting, key=self._get_rank)
            if self._get_rank(last) < self._get_rank(ticket):
                raise ticket.problem
            self._waiting.remove(last)
            self._changed.notify_all()
        self._waiting.append(ticket)

    def _get_rank(self, ticket: _Ticket) -> tuple[float, int]:
        return self._served_at.get(ticket.user_id, 0.0), ticket.number

    def _wait_for_memory(self, ticket: _Ticket) -> Reservation | None:
        deadline = time.monotonic() + self._seconds
        while ticket in self._waiting:
            is_next = self._is_next(ticket)
            if is_next:
                budget = memory_budget.find_budget()
                if budget is None:
                    return None
                if reservation := budget.try_reserve(ticket.limits):
                    return reservation
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            # Other processes release memory without notifying this one.
            self._changed.wait(min(remaining, POLL_SECONDS) if is_next else remaining)
        raise ticket.problem

    def _is_next(self, ticket: _Ticket) -> bool:
        if len(self._running) >= self._max_running:
            return False
        candidates = [other for other in self._waiting if other.user_id not in self._running]
        return bool(candidates) and min(candidates, key=self._get_rank) is ticket

    def _note_served(self, user_id: UUID) -> None:
        self._served_at[user_id] = time.monotonic()
        self._served_at.move_to_end(user_id)
        if len(self._served_at) > MAX_REMEMBERED:
            self._served_at.popitem(last=False)


QUEUE: Final = SandboxQueue(running=MAX_RUNNING, waiting=MAX_WAITING, seconds=MAX_WAIT_SECONDS)
