"""The proxy does to connections what the suite believes it does."""

import socket
import threading
from collections.abc import Iterator

import pytest

from auteur.devstack.ports import HOST, find_free_ports
from tests.chaos.proxy import Mode, Proxy

QUIET_SECONDS = 0.3
ANSWER_SECONDS = 5.0


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says everything back; its port."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=[client], daemon=True).start()

        def answer(client: socket.socket) -> None:
            with client:
                try:
                    while data := client.recv(1024):
                        client.sendall(data)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy(find_free_ports(1)[0], echo) as running:
        yield running


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((HOST, proxy.port), ANSWER_SECONDS)


def said_back(client: socket.socket, words: bytes, seconds: float = ANSWER_SECONDS) -> bytes:
    client.settimeout(seconds)
    client.sendall(words)
    return client.recv(1024)


def test_bytes_pass(proxy: Proxy) -> None:
    with connect(proxy) as client:
        assert said_back(client, b"one") == b"one"
        assert said_back(client, b"two") == b"two"


def test_cut_connections_are_reset_and_new_ones_work(proxy: Proxy) -> None:
    with connect(proxy) as client:
        said_back(client, b"here")
        assert proxy.cut() == 1
        with pytest.raises(ConnectionError):
            said_back(client, b"gone") or said_back(client, b"gone")
    with connect(proxy) as client:
        assert said_back(client, b"again") == b"again"


def test_stalled_bytes_arrive_afterwards(proxy: Proxy) -> None:
    with connect(proxy) as client:
        said_back(client, b"here")
        proxy.mode = Mode.STALL
        with pytest.raises(TimeoutError):
            said_back(client, b"late", QUIET_SECONDS)
        proxy.mode = Mode.PASS
        client.settimeout(ANSWER_SECONDS)
        assert client.recv(1024) == b"late"


def test_a_connection_that_lost_bytes_never_works_again(proxy: Proxy) -> None:
    with connect(proxy) as client:
        said_back(client, b"here")
        proxy.mode = Mode.DROP
        with pytest.raises(TimeoutError):
            said_back(client, b"lost", QUIET_SECONDS)
        proxy.mode = Mode.PASS
        with pytest.raises(TimeoutError):
            said_back(client, b"also lost", QUIET_SECONDS)
    with connect(proxy) as client:
        assert said_back(client, b"again") == b"again"


def test_new_connections_are_refused(proxy: Proxy) -> None:
    proxy.mode = Mode.REFUSE
    try:
        with connect(proxy) as client:
            answer = said_back(client, b"anyone?")
    except ConnectionError:
        answer = b""
    assert answer == b""
