"""Acceptance of connections by several processes that share a listening socket, in turn."""

import asyncio
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""The longest time until a thread that waits for a connection notices that it must stop."""
YIELD_SECONDS = 0.0005
"""The pause after each connection, so that other processes accept their share of a burst."""
PAUSE_SECONDS = 0.1
"""The pause after a failure, such as a lack of file descriptors."""
TIMEOUT = struct.pack("@ll", 0, int(LOOK_SECONDS * 1e6))


class Acceptor:
    """A thread that accepts the connections of a listening socket for the running event loop.

    The kernel gives connections to threads blocked in ``accept`` in the order in which they began
    to wait. If event loops waited for the socket instead, all processes would wake up, and the one
    that was idle last would get nearly all connections.
    """

    def __init__(
        self, listener: socket.socket, build_protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        listener.setblocking(True)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, TIMEOUT)
        self._listener = listener
        self._build_protocol = build_protocol
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="accept", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue
            except OSError as exc:
                logger.warning("no connection can be accepted: %s", exc)
                time.sleep(PAUSE_SECONDS)
                continue
            self._loop.call_soon_threadsafe(self._serve, connection)
            time.sleep(YIELD_SECONDS)

    def _serve(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connecting = self._loop.connect_accepted_socket(self._build_protocol, connection)
        task = self._loop.create_task(connecting)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Accept no more connections. Return when the loop has all that were accepted."""
        self._is_stopping = True
        while self._thread.is_alive():
            await asyncio.sleep(LOOK_SECONDS / 10)
        await asyncio.sleep(0)  # Let the loop turn the thread's last connections into tasks.
        await asyncio.gather(*self._tasks)
