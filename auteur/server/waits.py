"""Requests that wait for something without a thread (`auteur.core.api.waiting`)."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection
from functools import partial
from uuid import UUID

from django.db import close_old_connections

from auteur.core.api.waiting import Wait
from auteur.server.limits import Budget, Limits, OverloadedError, taken
from auteur.server.threads import Threads

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""Between looks, each of one query for all waiting rows of a kind."""


class Waits:
    """The waiting requests of one process, as many as its limits allow; for one loop alone."""

    def __init__(self, limits: Limits, threads: Threads) -> None:
        self._budget = Budget(limits.waiting, limits.waiting_per_user)
        self._threads = threads
        self._pending: dict[asyncio.Future[None], Wait] = {}
        self._task: asyncio.Task[None] | None = None

    async def has_ended(self, wait: Wait) -> bool:
        """Return True when what the request waits for has ended, and False after its seconds.

        False at once where as many requests of the process or of the user wait as may.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            with taken(self._budget, wait.who):
                self._pending[future] = wait
                if self._task is None:
                    self._task = asyncio.create_task(self._look_until_empty())
                async with asyncio.timeout(wait.seconds):
                    await future
        except (OverloadedError, TimeoutError):
            return False
        finally:
            self._pending.pop(future, None)
        return True

    async def _look_until_empty(self) -> None:
        try:
            while self._pending:
                await asyncio.sleep(LOOK_SECONDS)
                await self._look()
        except Exception:
            # Those that wait now are answered when their seconds are over.
            logger.exception("waiting requests cannot be looked up")
        finally:
            self._task = None

    async def _look(self) -> None:
        futures: defaultdict[Callable[..., Collection[UUID]], list[asyncio.Future[None]]]
        futures = defaultdict(list)
        for future, wait in self._pending.items():
            futures[wait.find_ended].append(future)
        for find_ended, waiting in futures.items():
            row_ids = {self._pending[future].row_id: None for future in waiting}
            ended = await self._threads.submit(partial(_find, find_ended, list(row_ids)))
            for future in waiting:
                pending = self._pending.get(future)  # None: its seconds are over
                if pending and pending.row_id in ended and not future.done():
                    future.set_result(None)


def _find(
    find_ended: Callable[[Collection[UUID]], Collection[UUID]], row_ids: Collection[UUID]
) -> Collection[UUID]:
    """Ask the database in a thread of requests, which leaves its connection as a request does."""
    close_old_connections()
    try:
        return find_ended(row_ids)
    finally:
        close_old_connections()
