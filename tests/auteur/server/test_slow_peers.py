"""Peers that stall take nothing from others: these are answered while all of those hang."""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

import pytest

from auteur.server.gateway import Environ
from tests.auteur.server.serving import MIB, Served, answer_of, closes, is_open, serving, whole
from tests.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 70_000
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nX-Never-"
LARGE = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
STREAM = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
STALLED = {"body": BODY, "head": HEAD, "nothing": b"", "answer": LARGE, "stream": STREAM}


class Films:
    """Small, large and endless answers; counts what it is asked for and what is let go."""

    def __init__(self) -> None:
        self.parts = 0
        self.closed = 0

    def __call__(self, environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/large":
            return whole(b"x" * 4 * MIB, start_response)
        if environ["PATH_INFO"] == "/stream":
            start_response("200 OK", [])
            return Stream(self)
        return whole(b"small", start_response)


class Stream:
    def __init__(self, films: Films) -> None:
        self.films = films

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.films.parts += 1
            yield b"x" * 65536

    def close(self) -> None:
        self.films.closed += 1


@pytest.fixture
def films() -> Films:
    return Films()


@pytest.fixture
def served(films: Films) -> Iterator[Served]:
    with serving(films) as running:
        yield running


def stalled(served: Served, sent: bytes, count: int) -> list[socket.socket]:
    peers = [served.peer(sent) for _ in range(count)]
    until(lambda: len(served.connections()) >= count, seconds=20)
    return peers


@pytest.mark.parametrize("kind", STALLED)
def test_others_are_answered_while_many_stall(served: Served, kind: str) -> None:
    with ExitStack() as exits:
        peers = [exits.enter_context(peer) for peer in stalled(served, STALLED[kind], 40)]
        assert [served.ask(GET) for _ in range(10)] == [(200, b"small")] * 10
        assert len(served.connections()) >= len(peers)
        if kind in {"body", "head", "nothing"}:
            assert all(map(is_open, peers))


def test_an_answer_is_made_no_faster_than_it_is_read(served: Served, films: Films) -> None:
    with served.peer(STREAM) as peer:
        until(lambda: films.parts > 0, seconds=20)
        served.ask(GET)
        result = films.parts * 65536
        assert result < 16 * MIB  # what the system itself keeps for a connection, and a few parts
        read = 0
        while read < 2 * result:
            read += len(peer.recv(65536))
        assert films.parts * 65536 > result
        assert films.closed == 0
    until(lambda: films.closed == 1, seconds=20)


@pytest.mark.parametrize("sent", [b"", HEAD, GET + HEAD, GET])
def test_the_limit_of_heads_at_its_edge(served: Served, sent: bytes) -> None:
    edge = served.limits.head_seconds
    with served.peer(sent) as peer:
        if sent.startswith(GET):
            answer_of(peer)
            peer.sendall(b"\r\n" if sent == GET else b"")
        (connection,) = until(served.connections, seconds=20)
        begun = until(lambda: connection._head_started_at, seconds=20)
        assert not connection.update_timeouts(begun)
        assert not connection.update_timeouts(begun + edge)
        assert connection.update_timeouts(begun + edge + 0.01)


def test_the_limit_of_unread_answers_begins_anew_with_what_is_read(served: Served) -> None:
    edge = served.limits.unread_seconds
    with served.peer(STREAM) as peer:
        (connection,) = until(served.connections, seconds=20)
        until(connection.transport.get_write_buffer_size, seconds=20)
        begun = until(lambda: connection._unread_since, seconds=20)
        assert not connection.update_timeouts(begun + edge)
        assert connection.update_timeouts(begun + edge + 0.01)
        while connection._unread_since == begun:
            assert peer.recv(65536)


@pytest.mark.parametrize("kind", ["head", "answer", "stream"])
def test_those_whose_time_is_over_are_dropped(films: Films, kind: str) -> None:
    with serving(films, head_seconds=0.1, unread_seconds=0.1) as served:
        with served.peer(STALLED[kind]):
            until(served.connections, seconds=20)
            until(lambda: not served.connections(), seconds=20)
        if kind == "stream":
            until(lambda: films.closed == 1, seconds=20)


def test_a_connection_between_requests_is_closed_after_a_while(films: Films) -> None:
    with serving(films, idle_seconds=1) as served:
        with served.peer(GET) as peer:
            assert answer_of(peer) == (200, b"small")
            peer.sendall(GET)
            assert answer_of(peer) == (200, b"small")
            assert closes(peer)


def test_a_head_without_an_end_is_cut(served: Served) -> None:
    limit = served.limits.head_bytes
    with served.peer(HEAD + b"x" * (limit - len(HEAD))) as peer:
        assert is_open(peer)
        peer.sendall(b"y")
        assert answer_of(peer)[0] == 431
        assert closes(peer)
