"""Threads for what asks the database, so that the event loop never does."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from django.db import close_old_connections, connection

from auteur.api.problems import DATABASE_OUTAGES

T = TypeVar("T")


class Threads:
    """A few threads, each with a connection of its own, which an outage closes."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, name)

    async def call(self, function: Callable[..., T], /, **arguments: Any) -> T:
        """What the function returns or raises, in a thread."""
        work = partial(_with_connection, function, arguments)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def _with_connection(function: Callable[..., T], arguments: dict[str, Any]) -> T:
    close_old_connections()
    try:
        return function(**arguments)
    except DATABASE_OUTAGES:
        connection.close()
        raise
