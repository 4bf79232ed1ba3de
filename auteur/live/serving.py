"""The process: sockets, connections, and its end."""

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
    connection_limits,
)
from auteur.server import serving
from auteur.server.limits import Budget

GRACE_SECONDS = 5
"""For clients to take the last of what they are told when we stop."""
YOUNG = (5_000, 10, 1_000_000)
"""Thresholds of garbage collection: old objects are not looked at by themselves."""
OLD_EVERY = 6_000
"""Ticks between two looks at old objects; a second has ten."""


class Server(serving.Server):
    """Follows the log while it runs."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to follow, then let clients in."""
        self._live.hub.start()
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Now and then look at old objects, too.

        It takes a second where there are ten thousand connections, in which nobody hears anything.
        """
        if counter and counter % OLD_EVERY == 0:
            gc.collect()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams end, sockets are told of the restart."""
        self._live.hub.stop()
        await super().shutdown(sockets)


def serve(bind: serving.Address) -> None:
    """Serve until told to stop."""
    serving.allow_files(CONNECTIONS, each=1)
    limits = connection_limits()
    behind_proxy = bool(settings.REST_FRAMEWORK.get("NUM_PROXIES"))
    each = CONNECTIONS if behind_proxy else limits.connections_per_address
    connection = partial(HttpConnection, limits=limits, budget=Budget(CONNECTIONS, each))
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
    gc.set_threshold(*YOUNG)
    listener = socket.create_server(bind, backlog=serving.BACKLOG)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    Server(config, live).run([listener])
