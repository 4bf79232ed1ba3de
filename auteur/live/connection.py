"""uvicorn's connections, with the limits that they lack: HTTP ones become WebSockets."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from auteur.live.limits import FRAGMENTS, UNREAD_SECONDS
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
    """Is asked every second whether its peer reads, and reads no more than it may write."""

    def __init__(self, *, lost: Callable[[], None] | None, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._lost = lost
        self._fragments = 0
        self._unread_since: float | None = None
        self._dropped_at: float | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """One less."""
        super().connection_lost(exc)
        if self._lost is not None:
            self._lost()

    async def send(self, message: Any) -> None:
        """Once the handshake is over, nobody asks for it again."""
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
        self.conn.send_close(SLOW, "slow client")
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()
