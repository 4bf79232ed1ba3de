"""The server process: sockets, file descriptors, and the limits on connections."""

import asyncio
import gc
import logging
import resource
import socket
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import uvicorn
from django.conf import settings
from django.utils.datastructures import CaseInsensitiveMapping

from auteur.core.api import requests
from auteur.core.work.sandbox_queue import MAX_WAIT_SECONDS
from auteur.server import children
from auteur.server.accepting import Acceptor
from auteur.server.application import Application
from auteur.server.gateway import WSGI, Environ
from auteur.server.limits import Budget, Limits
from auteur.server.protocol import Connection
from gpu_tasks.runtime.confinement import MIB
from gpu_tasks.runtime.memory_budget import share_budget

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


class SharingServer(Server):
    """One of several processes at the same sockets."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections in turn with the others."""
        await super().startup([])
        self._acceptors = [Acceptor(each, self._connection) for each in sockets or ()]

    def _connection(self) -> asyncio.Protocol:
        connection: Any = self.config.http_protocol_class
        state = self.lifespan.state
        made = connection(config=self.config, server_state=self.server_state, app_state=state)
        return cast(asyncio.Protocol, made)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take none any more, then end those that are there."""
        for acceptor in self._acceptors:
            await acceptor.stop()
        await super().shutdown(sockets)


def drop_overdue(connections: Any) -> None:
    """End every connection that has had its time, without waiting for its peer."""
    for connection in list(connections):
        if connection.overdue(connection.loop.time()):
            connection.transport.abort()


def server_of(
    application: Application, limits: Limits, *, behind_proxy: bool, kind: type[Server] = Server
) -> Server:
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
    return kind(config)


def serve(
    application: WSGI,
    bind: Address,
    figures: tuple[Address, WSGI] | None = None,
    begin: Callable[[], None] = lambda: None,
) -> None:
    """Serve at ``bind``, and ``figures`` at their own address, until told to stop.

    With several processes one of them serves the figures. ``begin`` is called in each.
    """
    processes = settings.API_PROCESSES
    share_budget(
        settings.SANDBOX_MEMORY_MIB["api"] * MIB,
        settings.FIRST_SANDBOX_MEMORY_MIB["api"] * MIB,
        MAX_WAIT_SECONDS,
    )
    limits = Limits(**settings.API_SERVER).of_one(processes)
    allow_files(limits.connections)
    own, others = [_listen(bind)], {}
    if figures is not None:
        (host, port), application_of_figures = figures
        own.append(_listen((host, port)))
        others[port] = application_of_figures

    def work(number: int) -> None:
        begin()
        served = Application(application, limits, who=address_of, at_ports=others)
        proxied = bool(settings.REST_FRAMEWORK.get("NUM_PROXIES"))
        kind = SharingServer if processes > 1 else Server
        server_of(served, limits, behind_proxy=proxied, kind=kind).run(own[:1] if number else own)

    gc.collect()
    gc.freeze()  # what is here stays, and is shared as long as nobody looks at it
    if processes > 1:
        children.run(processes, work, own)
    else:
        work(0)


def _listen(address: Address) -> socket.socket:
    return socket.create_server(address, backlog=BACKLOG)


def address_of(environ: Environ) -> str:
    """Whose request it is, as the throttle sees it."""
    forwarded = environ.get("HTTP_X_FORWARDED_FOR")
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = SimpleNamespace(META=environ, headers=CaseInsensitiveMapping(headers))
    return requests.client_address(cast(Any, request))


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
