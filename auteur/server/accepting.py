"""Connections taken by processes that share a listening socket, in turn."""

import asyncio
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""Until a thread that waits for a connection notices that it shall stop."""
TURN_SECONDS = 0.0005
"""After a connection, in which others take the next: of many at once each has its share."""
PAUSE_SECONDS = 0.1
"""After a failure, such as no descriptor left."""
TIMEOUT = struct.pack("@ll", 0, int(LOOK_SECONDS * 1e6))


class Acceptor:
    """A thread that waits in ``accept``: the kernel serves such in the order in which they came.

    Waiting for the socket in an event loop wakes all processes, of which the one that was idle
    last is first: it would have nearly all connections.
    """

    def __init__(self, listener: socket.socket, connection: Callable[[], asyncio.Protocol]) -> None:
        listener.setblocking(True)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, TIMEOUT)
        self._listener = listener
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="accept", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue
            except OSError as exc:
                logger.warning("no connection taken: %s", exc)
                time.sleep(PAUSE_SECONDS)
                continue
            self._loop.call_soon_threadsafe(self._serve, accepted)
            time.sleep(TURN_SECONDS)

    def _serve(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        connected = self._loop.connect_accepted_socket(self._connection, accepted)
        task = self._loop.create_task(connected)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Take no more; what is taken is served."""
        self._is_stopping = True
        while self._thread.is_alive():
            await asyncio.sleep(LOOK_SECONDS / 10)
        await asyncio.sleep(0)  # what its thread has handed over becomes a task
        await asyncio.gather(*self._tasks)
