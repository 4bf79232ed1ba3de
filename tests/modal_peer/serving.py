"""The peer as a thread of this process; it can go away and come back."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpclib.server
from modal._utils.grpc_utils import custom_detail_codec

from tests.modal_peer.book import Book
from tests.modal_peer.control_plane import ControlPlane
from tests.modal_peer.runners import Runners
from tests.modal_peer.scenario import Scenario, Script

HOST = "127.0.0.1"


class Peer:
    """A control plane; its ``book`` may be read and its script changed at any time."""

    def __init__(self, book: Book | None = None, *, port: int = 0, processes: int = 1) -> None:
        self.book = book or Book()
        self.port = port
        self._runners = Runners(processes)
        self._loop = asyncio.new_event_loop()
        self._server: grpclib.server.Server | None = None
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
        plane = ControlPlane(self.book, self._runners)
        self._server = grpclib.server.Server([plane], status_details_codec=custom_detail_codec)
        await self._server.start(HOST, self.port)
        (socket,) = self._server._server.sockets
        self.port = socket.getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
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
