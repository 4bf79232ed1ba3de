"""The server process: its sockets, file descriptors, and limits of connections."""

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
"""File descriptors for everything but connections: stores, logs, static files."""
FILES_PER_CONNECTION = 2
"""One for the connection, and one for the file of a body or a response."""
CHECK_EVERY = 10
"""Ticks of uvicorn between two checks. A second has ten ticks."""


class Server(uvicorn.Server):
    """A server that drops overdue connections every second."""

    async def on_tick(self, counter: int) -> bool:
        """Drop overdue connections once a second."""
        if counter % CHECK_EVERY == 0:
            drop_overdue_connections(self.server_state.connections)
        return await super().on_tick(counter)


class SharingServer(Server):
    """A server that shares its listening sockets with other processes."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections in turn with the other processes."""
        await super().startup([])
        self._acceptors = [Acceptor(listener, self._build_protocol) for listener in sockets or ()]

    def _build_protocol(self) -> asyncio.Protocol:
        protocol_class: Any = self.config.http_protocol_class
        protocol = protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return cast(asyncio.Protocol, protocol)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, then close the open ones."""
        for acceptor in self._acceptors:
            await acceptor.stop()
        await super().shutdown(sockets)


def drop_overdue_connections(connections: Any) -> None:
    """Abort every connection that has exceeded a time limit."""
    for connection in list(connections):
        if connection.update_timeouts(connection.loop.time()):
            connection.transport.abort()


def build_server(
    application: Application, limits: Limits, *, behind_proxy: bool, kind: type[Server] = Server
) -> Server:
    """Return a server, not started yet.

    Behind a proxy, all connections come from the proxy's address, so their number per address is
    not limited. `Application` limits the requests of each client.
    """
    connections_per_address = limits.connections if behind_proxy else limits.connections_per_address
    budget = Budget(limits.connections, connections_per_address)
    connection = partial(Connection, limits=limits, budget=budget)
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
    metrics: tuple[Address, WSGI] | None = None,
    on_start: Callable[[], None] = lambda: None,
) -> None:
    """Serve ``application`` at ``bind``, and ``metrics`` at its own address, until a signal.

    Of several processes, one serves the metrics. ``on_start`` is called in each.
    """
    processes = settings.API_PROCESSES
    share_budget(
        settings.SANDBOX_MEMORY_MIB["api"] * MIB,
        settings.FIRST_SANDBOX_MEMORY_MIB["api"] * MIB,
        MAX_WAIT_SECONDS,
    )
    limits = Limits(**settings.API_SERVER).divide(processes)
    raise_file_limit(limits.connections)
    listeners, port_applications = [_open_listener(bind)], {}
    if metrics is not None:
        (host, port), metrics_application = metrics
        listeners.append(_open_listener((host, port)))
        port_applications[port] = metrics_application

    def work(number: int) -> None:
        on_start()
        asgi_application = Application(
            application,
            limits,
            get_client=get_client_address,
            port_applications=port_applications,
        )
        behind_proxy = bool(settings.REST_FRAMEWORK.get("NUM_PROXIES"))
        kind = SharingServer if processes > 1 else Server
        server = build_server(asgi_application, limits, behind_proxy=behind_proxy, kind=kind)
        server.run(listeners[:1] if number else listeners)

    gc.collect()
    gc.freeze()  # These objects stay, and garbage collection would unshare their memory.
    if processes > 1:
        children.run_children(processes, work, listeners)
    else:
        work(0)


def _open_listener(address: Address) -> socket.socket:
    return socket.create_server(address, backlog=BACKLOG)


def get_client_address(environ: Environ) -> str:
    """Return the IP address of a request's client, as the rate limits determine it."""
    forwarded = environ.get("HTTP_X_FORWARDED_FOR")
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = SimpleNamespace(META=environ, headers=CaseInsensitiveMapping(headers))
    return requests.client_address(cast(Any, request))


def raise_file_limit(connections: int, files_per_connection: int = FILES_PER_CONNECTION) -> None:
    """Raise the limit of open files for so many connections, as far as the system allows."""
    required = OWN_FILES + files_per_connection * connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= required:
        return
    limit = required if hard == resource.RLIM_INFINITY else min(required, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit < required:
        logger.warning("%d files may be open, but all connections need %d", limit, required)
