"""The threads that Django runs in, and what the loop gives them.

An executor's future passes through a condition, a semaphore and a second future on its way, which
costs as much as reading the request.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Work = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Threads:
    """At most so many, as many as are needed at once; for one loop alone."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._started = 0
        self._given = 0
        self._work: SimpleQueue[Work] = SimpleQueue()

    def submit(self, function: Callable[[], T]) -> "asyncio.Future[T]":
        """What the function returns or raises; it is not begun for one that was cancelled."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._given += 1
        if self._started < min(self._given, self._count):
            self._started += 1
            name = f"{self._name}_{self._started}"
            threading.Thread(target=self._run, name=name, daemon=True).start()
        self._work.put((function, future))
        return future

    def _run(self) -> None:
        while True:
            function, future = self._work.get()
            result, error = None, None
            try:
                if not future.cancelled():
                    result = function()
            except BaseException as exc:  # noqa: BLE001 - it is for who waits
                error = exc
            loop = future.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._end, future, result, error)
            del function, future, result, error

    def _end(
        self, future: "asyncio.Future[Any]", result: object, error: BaseException | None
    ) -> None:
        self._given -= 1
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
