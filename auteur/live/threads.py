"""Threads for database queries, which would block the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from django.db import close_old_connections, connection

from auteur.core.api.problems import DATABASE_OUTAGES

T = TypeVar("T")


class Threads:
    """A pool of threads, each with its own connection, which an outage closes."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, name)

    async def call(self, function: Callable[..., T], /, **arguments: Any) -> T:
        """Return what the function returns, or raise what it raises, in a thread."""
        work = partial(_call_with_connection, function, arguments)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def _call_with_connection(function: Callable[..., T], arguments: dict[str, Any]) -> T:
    close_old_connections()
    try:
        return function(**arguments)
    except DATABASE_OUTAGES:
        connection.close()
        raise
