"""uvicorn's connections with the limits that they lack, for HTTP and WebSockets."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from auteur.live.limits import (
    DISCARD_SECONDS,
    FRAGMENTS,
    MAX_DISCARDED_BYTES,
    MESSAGES_BURST,
    MESSAGES_PER_SECOND,
    SLICE_BYTES,
    UNREAD_SECONDS,
)
from auteur.live.sockets import TOO_MANY
from auteur.server.limits import Budget, Limits
from auteur.server.protocol import Connection

SLOW = 4008
"""The close code for a client that does not read."""
LINGER_SECONDS = 10.0
"""How long such a client has to read the reason."""


class HttpConnection(Connection):
    """An HTTP connection that still counts when it becomes a WebSocket.

    The WebSocket does not keep this object alive.
    """

    def __init__(self, *, limits: Limits, budget: Budget, **uvicorns: Any) -> None:
        super().__init__(limits=limits, budget=budget, **uvicorns)
        self._budget_of_all = budget

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to a WebSocket, which releases its place in the budget."""
        on_lost = partial(self._budget_of_all.release, self._peer) if self._counted else None
        protocol_class = cast(Any, self.config.ws_protocol_class)
        self.ws_protocol_class = partial(  # type: ignore[assignment]
            protocol_class, on_lost=on_lost
        )
        super().handle_websocket_upgrade()


class WebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that is closed if its peer does not read, or sends too many frames.

    It stops reading while its peer does not read. A peer that sends too many frames is closed with
    4429. As reading pauses with the first message that waits (uvicorn), no more than a burst of
    them is ever in memory.
    """

    def __init__(self, *, on_lost: Callable[[], None] | None, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._on_lost = on_lost
        self._fragments = 0
        self._unread_since: float | None = None
        self._dropped_at: float | None = None
        self._frames_left = float(MESSAGES_BURST)
        self._frames_counted_at = self.loop.time()
        self._discarded: int | None = None

    def data_received(self, data: bytes) -> None:
        """Parse slice by slice, until the peer has sent too much."""
        for start in range(0, len(data), SLICE_BYTES):
            if self._discarded is not None:
                self._discarded += len(data) - start
                if self._discarded > MAX_DISCARDED_BYTES:
                    self.transport.abort()
                return
            super().data_received(data[start : start + SLICE_BYTES])

    def handle_text(self, event: Frame) -> None:
        """Take the first or only frame of a message."""
        if self._count_frame():
            super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """Take the first or only frame of a message."""
        if self._count_frame():
            super().handle_bytes(event)

    def handle_ping(self) -> None:
        """Answer a ping of the protocol."""
        if self._count_frame():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Take an answer to our ping."""
        if self._count_frame():
            super().handle_pong(event)

    def _count_frame(self) -> bool:
        """Count a frame. Close the socket and return False if there are too many."""
        if self._discarded is not None:
            return False
        now = self.loop.time()
        regained = (now - self._frames_counted_at) * MESSAGES_PER_SECOND
        self._frames_left = min(MESSAGES_BURST, self._frames_left + regained)
        self._frames_counted_at = now
        if self._frames_left < 1:
            self._discarded = 0
            self._send_close(TOO_MANY, "too many messages")
            # Closing at once would send a reset, because more data is on its way, and the peer
            # would not see the reason.
            self.loop.call_later(DISCARD_SECONDS, self.transport.close)
            return False
        self._frames_left -= 1
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection's place in the budget."""
        super().connection_lost(exc)
        if self._on_lost is not None:
            self._on_lost()

    async def send(self, message: Any) -> None:
        """Send, unless the peer has sent too much. Drop the handshake once the socket is open."""
        if self._discarded is not None:
            return
        await super().send(message)
        if message["type"] == "websocket.accept":
            del self.request, self.response

    def handle_cont(self, event: Frame) -> None:
        """Limit the number of fragments, because empty ones pass the size limit."""
        if len(self.frames) >= FRAGMENTS:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG)
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def pause_writing(self) -> None:
        """Stop reading too, so that the peer cannot request what it does not read, as by pings."""
        super().pause_writing()
        self._unread_since = self.loop.time()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again, because the peer has read most of what was waiting."""
        super().resume_writing()
        self._unread_since = None
        if not self.read_paused:
            self.transport.resume_reading()

    def update_timeouts(self, now: float) -> bool:
        """Return True if the connection must be aborted. Close it first if the peer is slow."""
        if self._dropped_at is not None:
            return now - self._dropped_at > LINGER_SECONDS
        if self._unread_since is not None and now - self._unread_since > UNREAD_SECONDS:
            self._dropped_at = now
            self._disconnect()
        return False

    def _disconnect(self) -> None:
        self.queue.put_nowait({"type": "websocket.disconnect", "code": SLOW, "reason": ""})
        self._send_close(SLOW, "slow client")
        self.transport.close()

    def _send_close(self, code: int, reason: str) -> None:
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
