"""uvicorn's connections, with the limits that it lacks: heads, unread answers, how many."""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from auteur.core.api.problems import problem_response
from auteur.server.limits import Budget, Limits
from gpu_tasks.runtime.errors import AuteurError

TRANSPORT = "auteur.transport"
"""Where a request's scope holds its connection."""


class NulInURLError(AuteurError):
    """The path or the query of a request holds U+0000."""


class Connection(HttpToolsProtocol):
    """One connection. ``overdue`` is asked every second: no timer of its own."""

    def __init__(self, *, limits: Limits, budget: Budget, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._limits = limits
        self._budget = budget
        self._counted = False
        self._head_since: float | None = None
        self._head_bytes = 0
        self._receiving = False
        self._unread_since: float | None = None
        self._answered_since: float | None = None
        self._unfinished: list[RequestResponseCycle] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, and turn it away if there are too many."""
        super().connection_made(transport)
        self._head_since = self.loop.time()
        self._counted = self._budget.take(self._peer)
        if not self._counted:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")

    def connection_lost(self, exc: Exception | None) -> None:
        """One less. uvicorn tells the latest request alone; others may have come with it."""
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
        """Parse, but no head without an end."""
        if self.transport.is_closing():
            return
        if not self._receiving and self._head_since is None:
            self._head_since = self.loop.time()
        if self._head_since is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_since is not None and self._head_bytes > self._limits.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large")

    def on_message_begin(self) -> None:
        """A request begins; its scope leads back to its connection."""
        super().on_message_begin()
        self._receiving = True
        self._answered_since = None
        if self._head_since is None:  # the next one in the same packet
            self._head_since = self.loop.time()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers, which come after the body, are dropped."""
        if self._head_since is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request, unless its path or query holds U+0000, which no store can hold."""
        if b"%00" in self.url:
            raise NulInURLError  # the parser makes a 400 of it, as of any head that is none
        self._head_since = None
        self._head_bytes = 0
        super().on_headers_complete()
        waiting = [cycle for cycle in self._unfinished if not cycle.response_complete]
        self._unfinished = [*waiting, self.cycle]

    def on_message_complete(self) -> None:
        self._receiving = False
        super().on_message_complete()

    def resume_writing(self) -> None:
        """The peer has read a good part."""
        self._unread_since = None
        super().resume_writing()

    def overdue(self, now: float) -> bool:
        """Whether the peer has had all the time it gets for what it is at."""
        limits = self._limits
        if self.flow.read_paused and self._head_since is not None:
            self._head_since = now  # it is we who do not read
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        if self._answered_since is None and self._is_answered_early():
            self._answered_since = now
        return (
            _over(self._head_since, limits.head_seconds, now)
            or _over(self._unread_since, limits.unread_seconds, now)
            or _over(self._answered_since, limits.linger_seconds, now)
        )

    def _is_answered_early(self) -> bool:
        in_body = self._receiving and self._head_since is None
        return in_body and self.cycle is not None and self.cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, "bad_request")

    def _refuse(self, status: HTTPStatus, code: str) -> None:
        body = problem_response(status, code, "The request was not read.").content
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nretry-after: 5\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def _over(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since > seconds
