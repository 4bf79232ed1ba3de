"""Requests that wait for a row without a thread (`auteur.core.api.waiting`)."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection
from functools import partial
from uuid import UUID

from django.db import close_old_connections

from auteur.core.api.waiting import Wait
from auteur.server.limits import Budget, Limits, OverloadedError, reserve
from auteur.server.threads import Threads

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
"""The time between two polls, each of one query for all waiting rows of a kind."""


class Waits:
    """The waiting requests of one process, within its limits, for one event loop."""

    def __init__(self, limits: Limits, threads: Threads) -> None:
        self._budget = Budget(limits.waiting, limits.waiting_per_user)
        self._threads = threads
        self._pending: dict[asyncio.Future[None], Wait] = {}
        self._task: asyncio.Task[None] | None = None

    async def wait_until_ended(self, wait: Wait) -> bool:
        """Return True when the row of a request has ended, and False after its seconds.

        Return False at once if too many requests of the process or the user wait already.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            with reserve(self._budget, wait.owner):
                self._pending[future] = wait
                if self._task is None:
                    self._task = asyncio.create_task(self._poll_until_empty())
                async with asyncio.timeout(wait.seconds):
                    await future
        except (OverloadedError, TimeoutError):
            return False
        finally:
            self._pending.pop(future, None)
        return True

    async def _poll_until_empty(self) -> None:
        try:
            while self._pending:
                await asyncio.sleep(POLL_SECONDS)
                await self._poll()
        except Exception:
            # The requests that wait now are answered when their time is over.
            logger.exception("the rows of waiting requests cannot be read")
        finally:
            self._task = None

    async def _poll(self) -> None:
        futures: defaultdict[Callable[..., Collection[UUID]], list[asyncio.Future[None]]]
        futures = defaultdict(list)
        for future, wait in self._pending.items():
            futures[wait.find_ended].append(future)
        for find_ended, group in futures.items():
            row_ids = {self._pending[future].row_id: None for future in group}
            ended_ids = await self._threads.submit(
                partial(_call_find_ended, find_ended, list(row_ids))
            )
            for future in group:
                pending = self._pending.get(future)  # None if its time is over.
                if pending and pending.row_id in ended_ids and not future.done():
                    future.set_result(None)


def _call_find_ended(
    find_ended: Callable[[Collection[UUID]], Collection[UUID]], row_ids: Collection[UUID]
) -> Collection[UUID]:
    """Query the database in a thread of requests, and manage its connection as a request does."""
    close_old_connections()
    try:
        return find_ended(row_ids)
    finally:
        close_old_connections()
