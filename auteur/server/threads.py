"""The threads that run Django for the event loop.

An executor of the standard library uses a condition, a semaphore and a second future for each call,
which takes as long as reading the request.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Work = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Threads:
    """A pool of at most ``count`` threads, started when they are needed, for one event loop."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._started = 0
        self._pending = 0
        self._work: SimpleQueue[Work] = SimpleQueue()

    def submit(self, function: Callable[[], T]) -> "asyncio.Future[T]":
        """Call the function in a thread, unless the returned future is cancelled before."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending += 1
        if self._started < min(self._pending, self._count):
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
            except BaseException as exc:  # noqa: BLE001 - the future raises it
                error = exc
            loop = future.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._resolve, future, result, error)
            del function, future, result, error

    def _resolve(
        self, future: "asyncio.Future[Any]", result: object, error: BaseException | None
    ) -> None:
        self._pending -= 1
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
