"""The server process: sockets, file descriptors, and the limits on connections."""

import logging
import resource
import socket
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import uvicorn
from django.conf import settings
from django.http.request import HttpHeaders

from auteur.api import requests
from auteur.server.application import Application
from auteur.server.gateway import WSGI, Environ
from auteur.server.limits import Budget, Limits
from auteur.server.protocol import Connection

logger = logging.getLogger(__name__)

Address = tuple[str, int]

BACKLOG = 1024
OWN_FILES = 256
"""Descriptors for all but connections: stores, logs, static files."""
FILES_PER_CONNECTION = 2
"""The connection, and the file of its body or of its answer."""
CHECK_EVERY = 10
"""Ticks of uvicorn, of which a second has ten."""


class Server(uvicorn.Server):
    """Looks after its connections every second."""

    async def on_tick(self, counter: int) -> bool:
        """Drop those whose time is over."""
        if counter % CHECK_EVERY == 0:
            drop_overdue(self.server_state.connections)
        return await super().on_tick(counter)


def drop_overdue(connections: Any) -> None:
    """End every connection that has had its time, without waiting for its peer."""
    for connection in list(connections):
        if connection.overdue(connection.loop.time()):
            connection.transport.abort()


def server_of(application: Application, limits: Limits, *, behind_proxy: bool) -> Server:
    """A server that is not yet started.

    Behind a proxy all connections are the proxy's; then `Application` counts by address alone.
    """
    each = limits.connections if behind_proxy else limits.connections_per_address
    connection = partial(Connection, limits=limits, budget=Budget(limits.connections, each))
    config = uvicorn.Config(
        application,
        http=cast(Any, connection),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=int(limits.idle_seconds),
        timeout_graceful_shutdown=limits.graceful_seconds,
    )
    return Server(config)


def serve(application: WSGI, bind: Address, others: Mapping[Address, WSGI]) -> None:
    """Serve at ``bind``, and other applications at other addresses, until told to stop."""
    limits = Limits(**settings.API_SERVER)
    allow_files(limits.connections)
    at_ports = {port: other for (_, port), other in others.items()}
    served = Application(application, limits, who=address_of, at_ports=at_ports)
    proxied = bool(settings.REST_FRAMEWORK.get("NUM_PROXIES"))
    server = server_of(served, limits, behind_proxy=proxied)
    server.run([socket.create_server(each, backlog=BACKLOG) for each in (bind, *others)])


def address_of(environ: Environ) -> str:
    """Whose request it is, as the throttle sees it."""
    request = SimpleNamespace(META=environ, headers=HttpHeaders(environ))
    return requests.address_of(cast(Any, request))


def allow_files(connections: int, each: int = FILES_PER_CONNECTION) -> None:
    """Have as many descriptors as that many connections need, as far as the system lets us."""
    wanted = OWN_FILES + each * connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        logger.warning("%d files may be open, %d are wanted for all connections", allowed, wanted)
