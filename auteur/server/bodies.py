"""Request bodies: read whole before anything else happens, in bounded bytes and time."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.conf import settings
from django.urls import Resolver404

from auteur.core.api import routing
from auteur.server.gateway import Environ
from auteur.server.limits import Budget, Limits, OverloadedError
from gpu_tasks.runtime.errors import AuteurError

Receive = Callable[[], Awaitable[Any]]


class PeerGoneError(AuteurError):
    """The peer went away, or was dropped."""


class PeerTooSlowError(AuteurError):
    """The body comes too slowly."""


def limit_of(environ: Environ) -> int:
    """Bytes that a request's view takes: what it says itself (``body_limit``), or the usual.

    ``body_limit`` is given the method, the query and what the address holds. Django is told which
    view it is.
    """
    try:
        path = environ["PATH_INFO"].encode("latin-1").decode()
        match = routing.resolve(path, settings.ROOT_URLCONF)
    except (Resolver404, UnicodeDecodeError):
        return 0
    environ[routing.FOUND] = match
    rule = getattr(getattr(match.func, "view_class", None), "body_limit", None)
    if rule is None:
        return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)
    return int(rule(environ["REQUEST_METHOD"], environ["QUERY_STRING"], **match.kwargs))


def is_sent(environ: Environ, scope: Any) -> bool:
    """Whether the request has a body."""
    declared = environ.get("CONTENT_LENGTH", "0")
    return declared != "0" or any(name == b"transfer-encoding" for name, _ in scope["headers"])


class Bodies:
    """Reads bodies, of which it keeps ``body_bytes`` at a time."""

    def __init__(self, limits: Limits, disk: Executor) -> None:
        self._limits = limits
        self._disk = disk
        self.budget = Budget(limits.body_bytes, limits.body_bytes // 2)

    async def read(self, receive: Receive, *, who: str, limit: int) -> "Body":
        """A body, to be freed by whoever asked; of more than ``limit`` bytes, its beginning.

        Raises ``PeerGoneError``, ``PeerTooSlowError`` and ``OverloadedError``.
        """
        body = Body(who, self.budget, self._limits.memory_bytes)
        try:
            await self._fill(body, receive, limit)
        except TimeoutError as exc:
            body.free()
            raise PeerTooSlowError from exc
        except BaseException:
            body.free()
            raise
        return body

    async def _fill(self, body: "Body", receive: Receive, limit: int) -> None:
        arrived, more = 0, True
        async with asyncio.timeout(self._limits.window_seconds) as window:
            while more and body.size <= limit:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise PeerGoneError
                chunk, more = message.get("body", b""), message.get("more_body", False)
                await self._write(body, chunk)
                arrived += len(chunk)
                if arrived >= self._limits.window_bytes:
                    arrived = 0
                    window.reschedule(
                        asyncio.get_running_loop().time() + self._limits.window_seconds
                    )

    async def _write(self, body: "Body", chunk: bytes) -> None:
        if body.is_small_with(chunk):
            body.file.write(chunk)
            return
        if not body.count(chunk):
            raise OverloadedError
        await asyncio.get_running_loop().run_in_executor(self._disk, body.file.write, chunk)


class Body:
    """What has come: in memory while it is small, then in a file and in the books."""

    def __init__(self, who: str, budget: Budget, memory_bytes: int) -> None:
        self.file: IO[bytes] = SpooledTemporaryFile(max_size=memory_bytes)  # noqa: SIM115
        self.size = 0
        self._who = who
        self._budget = budget
        self._memory_bytes = memory_bytes
        self._counted = 0

    def is_small_with(self, chunk: bytes) -> bool:
        """Whether all of it fits into memory still."""
        if self.size + len(chunk) > self._memory_bytes:
            return False
        self.size += len(chunk)
        return True

    def count(self, chunk: bytes) -> bool:
        """Enter all of it in the books, if there is room."""
        whole = self.size + len(chunk)
        if not self._budget.take(self._who, whole - self._counted):
            return False
        self.size = self._counted = whole
        return True

    def free(self) -> None:
        """Nobody needs it any more."""
        self._budget.release(self._who, self._counted)
        self._counted = 0
        self.file.close()
