"""A server in a thread of this process, and peers that write and read as they please."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from auteur.server.application import Application
from auteur.server.gateway import Environ
from auteur.server.limits import Limits
from auteur.server.serving import Server, build_server, get_client_address
from tests.waiting import until

MIB = 1024**2
WAIT_SECONDS = 20.0
DEFAULTS: dict[str, int] = {
    "threads": 2,
    "queued": 100,
    "connections": 1000,
    "connections_per_address": 1000,
    "body_bytes": 64 * MIB,
    "answer_bytes": 64 * MIB,
}


@dataclass
class Served:
    """Where it is, and its insides."""

    server: Server
    port: int
    limits: Limits

    def connections(self) -> list[Any]:
        return list(self.server.server_state.connections)

    def peer(self, sent: bytes = b"") -> socket.socket:
        """A connection on which ``sent`` was sent."""
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.settimeout(WAIT_SECONDS)
        peer.connect(("127.0.0.1", self.port))
        peer.sendall(sent)
        return peer

    def ask(self, sent: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to one request."""
        with self.peer(sent) as peer:
            return answer_of(peer)


def answer_of(peer: socket.socket) -> tuple[int, bytes]:
    """The next answer, whose length is told."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += (chunk := peer.recv(65536))
        assert chunk, "closed without an answer"
    head, _, body = received.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += (chunk := peer.recv(65536))
        assert chunk, "closed within the answer"
    return int(head.split()[1]), body


def is_open(peer: socket.socket) -> bool:
    """Whether the other side has neither answered nor closed."""
    peer.setblocking(False)
    try:
        peer.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    finally:
        peer.settimeout(WAIT_SECONDS)
    return False


def closes(peer: socket.socket) -> bool:
    """Whether the other side closes, after whatever it has sent."""
    try:
        while peer.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def echo(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answers with what it was sent."""
    body = environ["wsgi.input"].read()
    return whole(body, start_response)


def whole(body: bytes, start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@contextmanager
def serving(
    application: Callable[..., Iterable[bytes]] = echo,
    get_body_limit: Callable[[Environ], int] = lambda environ: MIB,
    *,
    behind_proxy: bool = False,
    get_client: Callable[[Environ], str] = get_client_address,
    **changed: Any,
) -> Iterator[Served]:
    limits = Limits(**DEFAULTS | changed)
    served = Application(application, limits, get_client=get_client, get_body_limit=get_body_limit)
    server = build_server(served, limits, behind_proxy=behind_proxy)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = listener.getsockname()[1]
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    until(lambda: server.started, seconds=WAIT_SECONDS)
    try:
        yield Served(server, port, limits)
    finally:
        server.should_exit = server.force_exit = True
        thread.join(WAIT_SECONDS)
