"""uvicorn's HTTP connections, with limits of headers, unread responses and their number."""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from auteur.core.api.problems import problem_response
from auteur.server.limits import Budget, Limits
from gpu_tasks.runtime.errors import AuteurError

TRANSPORT = "auteur.transport"
"""The key of the transport in a request's scope."""


_DETAILS = {
    HTTPStatus.BAD_REQUEST: "The request is malformed.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The request headers are too large.",
    HTTPStatus.SERVICE_UNAVAILABLE: "There are too many connections. Try again shortly.",
}


class NulInURLError(AuteurError):
    """The path or the query of a request contains U+0000."""


class Connection(HttpToolsProtocol):
    """An HTTP connection. The server calls `update_timeouts` every second, so it needs no timer."""

    def __init__(self, *, limits: Limits, budget: Budget, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._limits = limits
        self._budget = budget
        self._counted = False
        self._head_started_at: float | None = None
        self._head_bytes = 0
        self._is_receiving = False
        self._unread_since: float | None = None
        self._answered_at: float | None = None
        self._unfinished: list[RequestResponseCycle] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and refuse it if there are too many."""
        super().connection_made(transport)
        self._head_started_at = self.loop.time()
        self._counted = self._budget.take(self._peer)
        if not self._counted:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection's place, and mark all its requests as disconnected.

        uvicorn marks only the latest request, but others may have been pipelined.
        """
        if self._counted:
            self._budget.release(self._peer)
        for cycle in self._unfinished:
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()
        super().connection_lost(exc)

    @property
    def _peer(self) -> str:
        return self.client[0] if self.client else ""

    def data_received(self, data: bytes) -> None:
        """Parse the data. Refuse a request whose headers exceed ``Limits.head_bytes``."""
        if self.transport.is_closing():
            return
        if not self._is_receiving and self._head_started_at is None:
            self._head_started_at = self.loop.time()
        if self._head_started_at is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_started_at is not None and self._head_bytes > self._limits.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large")

    def on_message_begin(self) -> None:
        """Begin a request, and store its connection's transport in its scope."""
        super().on_message_begin()
        self._is_receiving = True
        self._answered_at = None
        if self._head_started_at is None:  # The request came in the packet of the one before.
            self._head_started_at = self.loop.time()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header. Drop trailers, which come after the body."""
        if self._head_started_at is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request, unless its path or query contains U+0000, which no store accepts."""
        if b"%00" in self.url:
            raise NulInURLError  # The parser answers 400, as for any malformed request.
        self._head_started_at = None
        self._head_bytes = 0
        super().on_headers_complete()
        unfinished = [cycle for cycle in self._unfinished if not cycle.response_complete]
        self._unfinished = [*unfinished, self.cycle]

    def on_message_complete(self) -> None:
        self._is_receiving = False
        super().on_message_complete()

    def resume_writing(self) -> None:
        """Resume writing, because the peer has read most of what was waiting."""
        self._unread_since = None
        super().resume_writing()

    def update_timeouts(self, now: float) -> bool:
        """Update the timers. Return True if the peer has exceeded a time limit."""
        limits = self._limits
        if self.flow.read_paused and self._head_started_at is not None:
            self._head_started_at = now  # It is not the peer's fault that we do not read.
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        if self._answered_at is None and self._is_answered_early():
            self._answered_at = now
        return (
            _is_exceeded(self._head_started_at, limits.head_seconds, now)
            or _is_exceeded(self._unread_since, limits.unread_seconds, now)
            or _is_exceeded(self._answered_at, limits.linger_seconds, now)
        )

    def _is_answered_early(self) -> bool:
        in_body = self._is_receiving and self._head_started_at is None
        return in_body and self.cycle is not None and self.cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, "bad_request")

    def _refuse(self, status: HTTPStatus, code: str) -> None:
        body = problem_response(status, code, _DETAILS[status]).content
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nretry-after: 5\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def _is_exceeded(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since > seconds
