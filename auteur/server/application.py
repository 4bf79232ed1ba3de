"""The ASGI application that runs WSGI applications in threads.

A thread of the pool works on a request only while Django does. The whole body has arrived before
that, and the response is taken from Django part by part, as fast as the peer reads it.
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
from auteur.core.logs import redact_path
from auteur.server import bodies
from auteur.server.bodies import PeerGoneError
from auteur.server.gateway import WSGI, Call, Environ, OversizedBody, build_environ
from auteur.server.limits import KIB, Budget, Limits, OverloadedError, reserve
from auteur.server.memory import LARGE_BODY_BYTES, release_memory
from auteur.server.protocol import TRANSPORT
from auteur.server.threads import Threads
from auteur.server.waits import Waits

logger = logging.getLogger(__name__)
access = logging.getLogger("auteur.access")

LINE = "%s %s %s %d bytes %d ms [request=%s]"
SLICE_BYTES = 64 * KIB
SMALL_RESPONSE_BYTES = 16 * KIB
DISK_THREADS = 2
"""The number of threads that write large bodies to files."""

Send = Callable[[Any], Awaitable[None]]


class Application:
    """An ASGI application that runs ``application``.

    At its port, each of ``port_applications`` runs instead. ``get_client`` names the client of a
    request, by which limits are counted.
    """

    def __init__(
        self,
        application: WSGI,
        limits: Limits,
        *,
        get_client: Callable[[Environ], str],
        get_body_limit: Callable[[Environ], int] = bodies.get_body_limit,
        port_applications: Mapping[int, WSGI] | None = None,
    ) -> None:
        self._application = application
        self._port_applications = port_applications or {}
        self._limits = limits
        self._get_client = get_client
        self._get_body_limit = get_body_limit
        self._threads = Threads(limits.threads, "api")
        self._bodies = bodies.Bodies(limits, ThreadPoolExecutor(DISK_THREADS, "disk"))
        self._request_budget = Budget(limits.connections, limits.connections_per_address)
        self._thread_budget = Budget(limits.threads + limits.queued, limits.threads + limits.queued)
        self._response_budget = Budget(limits.answer_bytes, limits.answer_bytes // 2)
        self._waits = Waits(limits, self._threads)

    async def __call__(self, scope: Any, receive: bodies.Receive, send: Send) -> None:
        response = Response(scope, send)
        try:
            await self._serve(scope, receive, response)
        except OverloadedError:
            await response.send_problem(
                503, "overloaded", "The server is overloaded. Try again shortly."
            )
        except bodies.PeerTooSlowError:
            await response.send_problem(
                408, "request_timeout", "The request body arrived too slowly. Send it again."
            )
        except PeerGoneError:
            pass
        except Exception:
            logger.exception("a request failed outside its application")
            await response.send_problem(500, "internal_error", "Something went wrong on our side.")
        finally:
            response.log_request()
        if not response.is_complete:
            scope[TRANSPORT].abort()

    async def _serve(self, scope: Any, receive: bodies.Receive, response: "Response") -> None:
        environ = build_environ(scope)
        application = self._port_applications.get(scope["server"][1], self._application)
        client = self._get_client(environ)
        with reserve(self._request_budget, client):
            body = None
            try:
                if bodies.has_body(environ, scope):
                    body = await self._read_body(receive, environ, client)
                await self._respond(application, environ, client, response)
            finally:
                if body is not None:
                    body.free()
                    if body.size >= LARGE_BODY_BYTES:
                        self._threads.submit(release_memory)

    async def _read_body(
        self, receive: bodies.Receive, environ: Environ, client: str
    ) -> bodies.Body | None:
        limit = self._get_body_limit(environ)
        declared = int(environ.get("CONTENT_LENGTH", 0))
        environ["wsgi.input"] = OversizedBody()
        if declared > limit:
            return None
        body = await self._bodies.read_body(receive, client=client, limit=limit)
        environ["CONTENT_LENGTH"] = str(body.size)
        if body.size > limit:
            body.free()
            return None
        body.file.seek(0)
        environ["wsgi.input"] = body.file
        return body

    async def _respond(
        self, application: WSGI, environ: Environ, client: str, response: "Response"
    ) -> None:
        call = Call(application, environ, self._limits.memory_bytes)
        try:
            chunks, has_more = await self._pull_first_chunks(call, client)
            wait = environ.pop(WAIT_KEY, None)
            if wait is not None and not has_more and await self._waits.wait_until_ended(wait):
                if response.is_lost:
                    raise PeerGoneError
                with suppress(OverloadedError):  # Then the first response is sent.
                    repeated_environ = _build_repeated_environ(call, environ)
                    repetition = Call(application, repeated_environ, self._limits.memory_bytes)
                    chunks, has_more = await self._pull_first_chunks(repetition, client)
                    call = repetition
            while True:
                size = sum(map(len, chunks))
                is_counted = size > SMALL_RESPONSE_BYTES
                with reserve(self._response_budget, client, size) if is_counted else nullcontext():
                    await response.send(call, chunks, has_more=has_more)
                if not has_more:
                    return
                chunks, has_more = await self._threads.submit(call.pull_chunks)
        finally:
            if not call.is_closed:
                self._threads.submit(call.close)

    async def _pull_first_chunks(self, call: Call, client: str) -> tuple[list[bytes], bool]:
        with reserve(self._thread_budget, client):
            return await self._threads.submit(call.pull_chunks)


def _build_repeated_environ(call: Call, environ: Environ) -> Environ:
    """Return the environment to run a request again, with the same id and without its body."""
    request_id = dict(call.headers).get(HEADER)
    ids = {"HTTP_" + HEADER.upper().replace("-", "_"): request_id} if request_id else {}
    empty = {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"}
    return {**environ, **empty, **ids, REPEATED_KEY: True}


class Response:
    """The response to a request, which also writes the request's line of the access log."""

    def __init__(self, scope: Any, send: Send) -> None:
        self.is_complete = False
        self._scope = scope
        self._send = send
        self._status = 0
        self._bytes = 0
        self._request_id = "-"
        self._started_at = time.perf_counter()

    @property
    def is_lost(self) -> bool:
        """Return True if the connection is closed."""
        return bool(self._scope[TRANSPORT].is_closing())

    async def send(self, call: Call, chunks: list[bytes], *, has_more: bool) -> None:
        """Send chunks as fast as the peer reads them. ``has_more`` says if others will follow."""
        if not self._status:
            await self._start(call.status, call.headers)
        last = b""
        if not has_more and sum(map(len, chunks)) <= SMALL_RESPONSE_BYTES:
            chunks, last = [], b"".join(chunks)
        for piece in _split_chunks(chunks):
            await self._send_part({"body": piece, "more_body": True})
            self._bytes += len(piece)
        if not has_more:
            await self._send_part({"body": last, "more_body": False})
            self._bytes += len(last)
            self.is_complete = True

    async def send_problem(self, status: int, code: str, detail: str) -> None:
        """Send a problem document. Do nothing if a response has begun or the peer has gone."""
        if self._status or self.is_lost:
            return
        headers = {"Retry-After": "5"} if status != 500 else None
        problem: HttpResponse = problem_response(status, code, detail, headers)
        problem["Content-Length"] = str(len(problem.content))
        await self._start(status, list(problem.items()))
        await self._send_part({"body": problem.content})
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

    def log_request(self) -> None:
        """Write a line of the access log, without the query, which may contain a signature."""
        milliseconds = (time.perf_counter() - self._started_at) * 1000
        path = redact_path(self._scope["raw_path"].decode("latin-1"))
        method, status = self._scope["method"], self._status or "-"
        fields = (method, path, status, self._bytes, milliseconds, self._request_id)
        # This is `access.info` without its search of the stack for the caller, which nobody needs.
        if access.isEnabledFor(logging.INFO):
            access.handle(access.makeRecord(access.name, logging.INFO, "", 0, LINE, fields, None))


def _split_chunks(chunks: list[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), SLICE_BYTES):
            yield chunk[start : start + SLICE_BYTES]
