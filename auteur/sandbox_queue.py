"""Who may have a sandboxed child next in a process of the API: users take turns for its memory.

Children that read files for a request share one budget of the container
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

from auteur.api.problems import Problem
from gpu_tasks.runtime import memory_budget
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.memory_budget import POLL_SECONDS, MemoryBusyError, Reservation

MAX_WAIT_SECONDS = 2.0
MAX_RUNNING = max(1, settings.API_SERVER["threads"] // 4)
"""Children of one process, of as many users."""
MAX_WAITING = max(1, settings.API_SERVER["threads"] // 2)
"""Requests of one process that wait, each in a thread; the other threads answer requests."""
MAX_REMEMBERED = 1000
"""Users whose last child is remembered."""


class FilesBusyProblem(Problem):
    """As many files are read at the moment as memory allows; nothing has been done."""

    status_code = 503
    default_code = "files_busy"
    default_detail = "Other files are being read at the moment. Please try again shortly."
    headers: Final = {"Retry-After": "1"}  # type: ignore[misc]


@dataclass(eq=False)
class _Ticket:
    user_id: UUID
    number: int
    limits: Limits
    problem: type[FilesBusyProblem]


class SandboxQueue:
    """Gives memory to the waiting user who was served longest ago, one child each at a time."""

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
        """Hold memory for the user's children, one after another, while the context lasts.

        None where this process has no budget. Raises ``problem`` after a while, and at once where
        another request of the user waits or where only users wait that go first.
        """
        ticket = _Ticket(user_id, next(self._numbers), limits, problem)
        with self._changed:
            self._enter(ticket)
            try:
                reservation = self._wait(ticket)
            finally:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
                self._changed.notify_all()
            self._running.add(user_id)
            self._note(user_id)
        try:
            yield reservation
        except MemoryBusyError as exc:  # it has grown, and others have the memory
            raise problem from exc
        finally:
            if reservation is not None:
                reservation.release()
            with self._changed:
                self._running.discard(user_id)
                self._note(user_id)
                self._changed.notify_all()

    def _enter(self, ticket: _Ticket) -> None:
        if any(other.user_id == ticket.user_id for other in self._waiting):
            raise ticket.problem
        if len(self._waiting) >= self._max_waiting:
            last = max(self._waiting, key=self._rank)
            if self._rank(last) < self._rank(ticket):
                raise ticket.problem
            self._waiting.remove(last)
            self._changed.notify_all()
        self._waiting.append(ticket)

    def _rank(self, ticket: _Ticket) -> tuple[float, int]:
        return self._served_at.get(ticket.user_id, 0.0), ticket.number

    def _wait(self, ticket: _Ticket) -> Reservation | None:
        until = time.monotonic() + self._seconds
        while ticket in self._waiting:
            is_next = self._is_next(ticket)
            if is_next:
                budget = memory_budget.budget()
                if budget is None:
                    return None
                if reservation := budget.try_reserve(ticket.limits):
                    return reservation
            remaining = until - time.monotonic()
            if remaining <= 0:
                break
            # Other processes release memory without telling.
            self._changed.wait(min(remaining, POLL_SECONDS) if is_next else remaining)
        raise ticket.problem

    def _is_next(self, ticket: _Ticket) -> bool:
        if len(self._running) >= self._max_running:
            return False
        able = [other for other in self._waiting if other.user_id not in self._running]
        return bool(able) and min(able, key=self._rank) is ticket

    def _note(self, user_id: UUID) -> None:
        self._served_at[user_id] = time.monotonic()
        self._served_at.move_to_end(user_id)
        if len(self._served_at) > MAX_REMEMBERED:
            self._served_at.popitem(last=False)


QUEUE: Final = SandboxQueue(running=MAX_RUNNING, waiting=MAX_WAITING, seconds=MAX_WAIT_SECONDS)
