"""uvicorn's connections, with the limits that they lack: HTTP ones become WebSockets."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from auteur.live.limits import (
    DISCARDED_BYTES,
    DISCARDING_SECONDS,
    FRAGMENTS,
    MESSAGES_BURST,
    MESSAGES_PER_SECOND,
    SLICE_BYTES,
    UNREAD_SECONDS,
)
from auteur.live.sockets import TOO_MANY
from auteur.server.limits import Budget, Limits
from auteur.server.protocol import Connection

SLOW = 4008
"""The close code for a client that takes nothing."""
LINGER_SECONDS = 10.0
"""For it to read the reason."""


class HttpConnection(Connection):
    """Stays in the books when it becomes a WebSocket, which does not keep this object alive."""

    def __init__(self, *, limits: Limits, budget: Budget, **uvicorns: Any) -> None:
        super().__init__(limits=limits, budget=budget, **uvicorns)
        self._books = budget

    def handle_websocket_upgrade(self) -> None:
        """Go on as a WebSocket."""
        lost = partial(self._books.release, self._peer) if self._counted else None
        make = cast(Any, self.config.ws_protocol_class)
        self.ws_protocol_class = partial(make, lost=lost)  # type: ignore[assignment]
        super().handle_websocket_upgrade()


class WebSocket(WebSocketsSansIOProtocol):
    """Is asked every second whether its peer reads; reads no more than it may write.

    A peer that sends more frames than it may is closed with 4429. As reading pauses with the first
    message that waits (uvicorn), no more than a burst of them is ever in memory.
    """

    def __init__(self, *, lost: Callable[[], None] | None, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._lost = lost
        self._fragments = 0
        self._unread_since: float | None = None
        self._dropped_at: float | None = None
        self._frames_left = float(MESSAGES_BURST)
        self._frames_counted_at = self.loop.time()
        self._discarded: int | None = None

    def data_received(self, data: bytes) -> None:
        """Parse slice by slice, until the peer has sent more than it may."""
        for start in range(0, len(data), SLICE_BYTES):
            if self._discarded is not None:
                self._discarded += len(data) - start
                if self._discarded > DISCARDED_BYTES:
                    self.transport.abort()
                return
            super().data_received(data[start : start + SLICE_BYTES])

    def handle_text(self, event: Frame) -> None:
        """Take the first or only frame of a message."""
        if self._take_frame():
            super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """Take the first or only frame of a message."""
        if self._take_frame():
            super().handle_bytes(event)

    def handle_ping(self) -> None:
        """Answer a ping of the protocol."""
        if self._take_frame():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Take an answer to our ping."""
        if self._take_frame():
            super().handle_pong(event)

    def _take_frame(self) -> bool:
        """Count a frame; return False, and close, where there are too many."""
        if self._discarded is not None:
            return False
        now = self.loop.time()
        earned = (now - self._frames_counted_at) * MESSAGES_PER_SECOND
        self._frames_left = min(MESSAGES_BURST, self._frames_left + earned)
        self._frames_counted_at = now
        if self._frames_left < 1:
            self._discarded = 0
            self._send_close(TOO_MANY, "too many messages")
            # At once it would end with a reset, for more is on its way, and hide the reason.
            self.loop.call_later(DISCARDING_SECONDS, self.transport.close)
            return False
        self._frames_left -= 1
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """One less."""
        super().connection_lost(exc)
        if self._lost is not None:
            self._lost()

    async def send(self, message: Any) -> None:
        """Send, unless the peer has sent too much; once open, forget the handshake."""
        if self._discarded is not None:
            return
        await super().send(message)
        if message["type"] == "websocket.accept":
            del self.request, self.response

    def handle_cont(self, event: Frame) -> None:
        """Fragments may be empty: their number counts, too."""
        if len(self.frames) >= FRAGMENTS:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG)
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def pause_writing(self) -> None:
        """What it does not read it shall not ask for, by pings for instance."""
        super().pause_writing()
        self._unread_since = self.loop.time()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """The peer has read a good part."""
        super().resume_writing()
        self._unread_since = None
        if not self.read_paused:
            self.transport.resume_reading()

    def overdue(self, now: float) -> bool:
        """Whether there is no use in waiting for the peer."""
        if self._dropped_at is not None:
            return now - self._dropped_at > LINGER_SECONDS
        if self._unread_since is not None and now - self._unread_since > UNREAD_SECONDS:
            self._dropped_at = now
            self._drop()
        return False

    def _drop(self) -> None:
        self.queue.put_nowait({"type": "websocket.disconnect", "code": SLOW, "reason": ""})
        self._send_close(SLOW, "slow client")
        self.transport.close()

    def _send_close(self, code: int, reason: str) -> None:
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
