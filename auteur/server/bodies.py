"""Reading of request bodies, as a whole and within limits of bytes and time."""

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
    """The peer has closed the connection, or we have."""


class PeerTooSlowError(AuteurError):
    """The body arrives too slowly."""


def get_body_limit(environ: Environ) -> int:
    """Return the most bytes of a body that the request's view accepts; 0 if there is no view.

    This is the view's own ``body_limit`` if it has one, called with the method, the query and the
    route's arguments; otherwise ``DATA_UPLOAD_MAX_MEMORY_SIZE``. The match is stored in the
    environment, so that Django does not resolve the address again.
    """
    try:
        path = environ["PATH_INFO"].encode("latin-1").decode()
        match = routing.resolve(path, settings.ROOT_URLCONF)
    except (Resolver404, UnicodeDecodeError):
        return 0
    environ[routing.MATCH_KEY] = match
    rule = getattr(getattr(match.func, "view_class", None), "body_limit", None)
    if rule is None:
        return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)
    return int(rule(environ["REQUEST_METHOD"], environ["QUERY_STRING"], **match.kwargs))


def has_body(environ: Environ, scope: Any) -> bool:
    """Return True if the request has a body."""
    declared = environ.get("CONTENT_LENGTH", "0")
    return declared != "0" or any(name == b"transfer-encoding" for name, _ in scope["headers"])


class Bodies:
    """A reader of request bodies that stores at most ``Limits.body_bytes`` of them at a time."""

    def __init__(self, limits: Limits, disk: Executor) -> None:
        self._limits = limits
        self._disk = disk
        self.budget = Budget(limits.body_bytes, limits.body_bytes // 2)

    async def read_body(self, receive: Receive, *, client: str, limit: int) -> "Body":
        """Return the body, which the caller must free; if it exceeds ``limit``, its beginning.

        Raise ``PeerGoneError``, ``PeerTooSlowError`` or ``OverloadedError``.
        """
        body = Body(client, self.budget, self._limits.memory_bytes)
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
        window_bytes, has_more = 0, True
        async with asyncio.timeout(self._limits.window_seconds) as window:
            while has_more and body.size <= limit:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise PeerGoneError
                chunk, has_more = message.get("body", b""), message.get("more_body", False)
                await self._write(body, chunk)
                window_bytes += len(chunk)
                if window_bytes >= self._limits.window_bytes:
                    window_bytes = 0
                    window.reschedule(
                        asyncio.get_running_loop().time() + self._limits.window_seconds
                    )

    async def _write(self, body: "Body", chunk: bytes) -> None:
        if body.count_in_memory(chunk):
            body.file.write(chunk)
            return
        if not body.count_in_budget(chunk):
            raise OverloadedError
        await asyncio.get_running_loop().run_in_executor(self._disk, body.file.write, chunk)


class Body:
    """The received part of a body: in memory while it is small, then in a file, within a budget."""

    def __init__(self, client: str, budget: Budget, memory_bytes: int) -> None:
        self.file: IO[bytes] = SpooledTemporaryFile(max_size=memory_bytes)  # noqa: SIM115
        self.size = 0
        self._client = client
        self._budget = budget
        self._memory_bytes = memory_bytes
        self._counted = 0

    def count_in_memory(self, chunk: bytes) -> bool:
        """Count the next chunk if the body still fits into memory. Return False if it does not."""
        if self.size + len(chunk) > self._memory_bytes:
            return False
        self.size += len(chunk)
        return True

    def count_in_budget(self, chunk: bytes) -> bool:
        """Take the body, with its next chunk, from the budget. Return False if it is exhausted."""
        size = self.size + len(chunk)
        if not self._budget.take(self._client, size - self._counted):
            return False
        self.size = self._counted = size
        return True

    def free(self) -> None:
        """Delete the body and return its bytes to the budget."""
        self._budget.release(self._client, self._counted)
        self._counted = 0
        self.file.close()
