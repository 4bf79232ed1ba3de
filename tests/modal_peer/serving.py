"""The peer as a thread of this process; it can go away and come back."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

import grpclib.server
from grpclib.protocol import H2Protocol
from modal._utils.grpc_utils import custom_detail_codec

from tests.modal_peer.blobs import BlobStore
from tests.modal_peer.book import Book
from tests.modal_peer.control import Control
from tests.modal_peer.control_plane import ControlPlane
from tests.modal_peer.runners import Runners
from tests.modal_peer.scenario import Scenario, Script

HOST = "127.0.0.1"


class Server(grpclib.server.Server):
    """A server that can hang up: grpclib's own lets open connections live."""

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__([plane], status_details_codec=custom_detail_codec)
        self._protocols: WeakSet[H2Protocol] = WeakSet()

    def _protocol_factory(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        self._protocols.add(protocol)
        return protocol

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def hang_up(self) -> None:
        """Close the port and all connections."""
        self.close()
        for protocol in self._protocols:
            if hasattr(protocol, "connection"):
                protocol.connection._transport.abort()  # type: ignore[attr-defined]
        await self.wait_closed()


class Peer:
    """A control plane; its ``book`` may be read and its script changed at any time."""

    def __init__(
        self,
        book: Book | None = None,
        *,
        port: int = 0,
        processes: int = 1,
        control_port: int | None = None,
    ) -> None:
        self.book = book or Book()
        self.port = port
        self.control_port = control_port
        self._runners = Runners(processes)
        self._plane = ControlPlane(self.book, self._runners)  # type: ignore[abstract]
        self._loop = asyncio.new_event_loop()
        self._server: Server | None = None
        self._blobs = BlobStore(self.book)
        self._control = None if control_port is None else Control(self.book, control_port)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """For ``MODAL_SERVER_URL``."""
        return f"http://{HOST}:{self.port}"

    def plays(self, scenario: Scenario) -> None:
        """All calls from now on."""
        self.book.script = Script({scenario: 1.0})

    def plays_next(self, *scenarios: Scenario) -> None:
        """The next calls; those after them as before."""
        self.book.script.upcoming.extend(scenarios)

    def run_now(self, call_id: str) -> None:
        """Let a call that waits (`NEVER`) run after all."""
        call = self.book.calls[call_id]
        call.scenario = Scenario.RUN
        self._plane.start(call_id, call)

    def start(self) -> None:
        """Listen, at the same port as before."""
        if not self._thread.is_alive():
            self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def go_away(self) -> None:
        """Close the port and all connections; what the peer knows is kept."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()

    def stop(self) -> None:
        """End for good."""
        self.go_away()
        self._runners.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        await self._blobs.start(HOST)
        if self._control is not None:
            await self._control.start(HOST)
        self._plane.blob_url = self._blobs.url
        self._server = Server(self._plane)
        await self._server.start(HOST, self.port)
        self.port = self._server.port

    async def _close(self) -> None:
        if self._server is not None:
            await self._server.hang_up()
            await self._blobs.stop()
            if self._control is not None:
                await self._control.stop()
            self._server = None


@contextmanager
def serving() -> Iterator[Peer]:
    """A peer on a free port."""
    peer = Peer()
    peer.start()
    try:
        yield peer
    finally:
        peer.stop()
