"""The process: its sockets, connections and shutdown."""

import gc
import socket
from functools import partial
from typing import Any, cast

import uvicorn
from django.conf import settings

from auteur.live.application import Live
from auteur.live.connection import HttpConnection, WebSocket
from auteur.live.limits import (
    CONNECTIONS,
    FRAMES_BYTES,
    RECEIVE_BUFFER_BYTES,
    SEND_BUFFER_BYTES,
    build_limits,
)
from auteur.server import serving
from auteur.server.limits import Budget

GRACE_SECONDS = 5
"""How long clients may read the last events when the process stops."""
GC_THRESHOLDS = (5_000, 10, 1_000_000)
"""The thresholds of garbage collection, at which the oldest generation is never collected."""
FULL_GC_TICKS = 6_000
"""Ticks between two full collections. A second has ten ticks."""


class Server(serving.Server):
    """A server that follows the log while it runs."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to follow the log, then accept clients."""
        self._live.hub.start()
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Run a full garbage collection at times.

        With ten thousand connections it blocks all of them for a second.
        """
        if counter and counter % FULL_GC_TICKS == 0:
            gc.collect()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, and tell sockets about the restart."""
        self._live.hub.stop()
        await super().shutdown(sockets)


def serve(bind: serving.Address) -> None:
    """Serve until a signal stops the process."""
    serving.raise_file_limit(CONNECTIONS, files_per_connection=1)
    limits = build_limits()
    behind_proxy = bool(settings.REST_FRAMEWORK.get("NUM_PROXIES"))
    connections_per_address = CONNECTIONS if behind_proxy else limits.connections_per_address
    connection = partial(
        HttpConnection, limits=limits, budget=Budget(CONNECTIONS, connections_per_address)
    )
    live = Live()
    config = uvicorn.Config(
        cast(Any, live),
        http=cast(Any, connection),
        ws=WebSocket,
        ws_max_size=FRAMES_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=int(limits.idle_seconds),
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    listener = socket.create_server(bind, backlog=serving.BACKLOG)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    Server(config, live).run([listener])
