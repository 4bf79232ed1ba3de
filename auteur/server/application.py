"""The ASGI application: reads a request without a thread, has Django answer it, sends the answer.

A thread of the pool works on a request only while Django does. A body is there before that, and an
answer is asked for part by part as the peer takes it.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from io import BytesIO
from typing import Any

from django.http import HttpResponse

from auteur.core.api.problems import problem_response
from auteur.core.api.request_ids import HEADER
from auteur.core.api.waiting import REPEATED_KEY, WAIT_KEY
from auteur.core.logs import logged_path
from auteur.server import bodies
from auteur.server.bodies import PeerGoneError
from auteur.server.gateway import WSGI, Call, Environ, TooLarge, environ_of
from auteur.server.limits import KIB, Budget, Limits, OverloadedError, taken
from auteur.server.memory import LARGE_BODY_BYTES, give_back
from auteur.server.protocol import TRANSPORT
from auteur.server.threads import Threads
from auteur.server.waits import Waits

logger = logging.getLogger(__name__)
access = logging.getLogger("auteur.access")

LINE = "%s %s %s %d bytes %d ms [request=%s]"
SLICE_BYTES = 64 * KIB
SMALL_RESPONSE_BYTES = 16 * KIB
DISK_THREADS = 2
"""They write large bodies to their files."""

Send = Callable[[Any], Awaitable[None]]


class Application:
    """Serves one WSGI application per port; the first is that of all ports not named."""

    def __init__(
        self,
        application: WSGI,
        limits: Limits,
        *,
        who: Callable[[Environ], str],
        limit_of: Callable[[Environ], int] = bodies.limit_of,
        at_ports: Mapping[int, WSGI] | None = None,
    ) -> None:
        self._application = application
        self._at_ports = at_ports or {}
        self._limits = limits
        self._who = who
        self._limit_of = limit_of
        self._threads = Threads(limits.threads, "api")
        self._bodies = bodies.Bodies(limits, ThreadPoolExecutor(DISK_THREADS, "disk"))
        self._requests = Budget(limits.connections, limits.connections_per_address)
        self._turns = Budget(limits.threads + limits.queued, limits.threads + limits.queued)
        self._responses = Budget(limits.answer_bytes, limits.answer_bytes // 2)
        self._waits = Waits(limits, self._threads)

    async def __call__(self, scope: Any, receive: bodies.Receive, send: Send) -> None:
        response = Response(scope, send)
        try:
            await self._serve(scope, receive, response)
        except OverloadedError:
            await response.refuse(503, "overloaded", "There is too much to do. Please try again.")
        except bodies.PeerTooSlowError:
            await response.refuse(408, "request_timeout", "The body comes too slowly.")
        except PeerGoneError:
            pass
        except Exception:
            logger.exception("a request failed outside its application")
            await response.refuse(500, "internal_error", "Something went wrong on our side.")
        finally:
            response.log()
        if not response.is_complete:
            scope[TRANSPORT].abort()

    async def _serve(self, scope: Any, receive: bodies.Receive, response: "Response") -> None:
        environ = environ_of(scope)
        application = self._at_ports.get(scope["server"][1], self._application)
        who = self._who(environ)
        with taken(self._requests, who):
            body = None
            try:
                if bodies.is_sent(environ, scope):
                    body = await self._read(receive, environ, who)
                await self._respond(application, environ, who, response)
            finally:
                if body is not None:
                    body.free()
                    if body.size >= LARGE_BODY_BYTES:
                        self._threads.submit(give_back)

    async def _read(
        self, receive: bodies.Receive, environ: Environ, who: str
    ) -> bodies.Body | None:
        limit = self._limit_of(environ)
        declared = int(environ.get("CONTENT_LENGTH", 0))
        environ["wsgi.input"] = TooLarge()
        if declared > limit:
            return None
        body = await self._bodies.read(receive, who=who, limit=limit)
        environ["CONTENT_LENGTH"] = str(body.size)
        if body.size > limit:
            body.free()
            return None
        body.file.seek(0)
        environ["wsgi.input"] = body.file
        return body

    async def _respond(
        self, application: WSGI, environ: Environ, who: str, response: "Response"
    ) -> None:
        call = Call(application, environ, self._limits.memory_bytes)
        try:
            chunks, more = await self._begin(call, who)
            wait = environ.pop(WAIT_KEY, None)
            if wait is not None and not more and await self._waits.has_ended(wait):
                if response.is_lost:
                    raise PeerGoneError
                with suppress(OverloadedError):  # then the first answer is sent
                    again = Call(application, _repeated(call, environ), self._limits.memory_bytes)
                    chunks, more = await self._begin(again, who)
                    call = again
            while True:
                size = sum(map(len, chunks))
                counted = size > SMALL_RESPONSE_BYTES
                with taken(self._responses, who, size) if counted else nullcontext():
                    await response.send(call, chunks, more=more)
                if not more:
                    return
                chunks, more = await self._threads.submit(call.pull)
        finally:
            if not call.is_closed:
                self._threads.submit(call.close)

    async def _begin(self, call: Call, who: str) -> tuple[list[bytes], bool]:
        with taken(self._turns, who):
            return await self._threads.submit(call.pull)


def _repeated(call: Call, environ: Environ) -> Environ:
    """Return the environment of a request that is run once more: without its body, same id."""
    request_id = dict(call.headers).get(HEADER)
    ids = {"HTTP_" + HEADER.upper().replace("-", "_"): request_id} if request_id else {}
    empty = {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"}
    return {**environ, **empty, **ids, REPEATED_KEY: True}


class Response:
    """What goes to the peer, and the line about it in the access log."""

    def __init__(self, scope: Any, send: Send) -> None:
        self.is_complete = False
        self._scope = scope
        self._send = send
        self._status = 0
        self._bytes = 0
        self._request_id = "-"
        self._began = time.perf_counter()

    @property
    def is_lost(self) -> bool:
        """Whether the peer has gone, or was dropped."""
        return bool(self._scope[TRANSPORT].is_closing())

    async def send(self, call: Call, chunks: list[bytes], *, more: bool) -> None:
        """Send chunks as fast as the peer takes them; ``more`` will follow."""
        if not self._status:
            await self._start(call.status, call.headers)
        last = b""
        if not more and sum(map(len, chunks)) <= SMALL_RESPONSE_BYTES:
            chunks, last = [], b"".join(chunks)
        for piece in _slices(chunks):
            await self._send_part({"body": piece, "more_body": True})
            self._bytes += len(piece)
        if not more:
            await self._send_part({"body": last, "more_body": False})
            self._bytes += len(last)
            self.is_complete = True

    async def refuse(self, status: int, code: str, detail: str) -> None:
        """Say why there is no answer, if none has begun."""
        if self._status or self.is_lost:
            return
        headers = {"Retry-After": "5"} if status != 500 else None
        refusal: HttpResponse = problem_response(status, code, detail, headers)
        refusal["Content-Length"] = str(len(refusal.content))
        await self._start(status, list(refusal.items()))
        await self._send_part({"body": refusal.content})
        self.is_complete = True

    async def _start(self, status: int, headers: list[tuple[str, str]]) -> None:
        if self.is_lost:
            raise PeerGoneError
        self._status = status
        self._request_id = dict(headers).get(HEADER, "-")
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def _send_part(self, part: dict[str, Any]) -> None:
        if self.is_lost:
            raise PeerGoneError
        await self._send({"type": "http.response.body", **part})

    def log(self) -> None:
        """Write one line, without the query, which in a signed URL carries the signature."""
        took = (time.perf_counter() - self._began) * 1000
        path = logged_path(self._scope["raw_path"].decode("latin-1"))
        method, status = self._scope["method"], self._status or "-"
        fields = (method, path, status, self._bytes, took, self._request_id)
        # As `access.info` does, but for looking at the stack: where the call stands is of no use.
        if access.isEnabledFor(logging.INFO):
            access.handle(access.makeRecord(access.name, logging.INFO, "", 0, LINE, fields, None))


def _slices(chunks: list[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), SLICE_BYTES):
            yield chunk[start : start + SLICE_BYTES]
