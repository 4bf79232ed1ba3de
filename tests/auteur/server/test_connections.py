"""How many connections and requests there may be, and what a request becomes in WSGI."""

import json
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack

import pytest
from pytest_django import Settings

from auteur.server.gateway import Environ
from auteur.server.serving import get_client_address
from tests.auteur.server.serving import MIB, answer_of, closes, is_open, serving, whole
from tests.waiting import until

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("limit", ["connections", "connections_per_address"])
def test_the_last_connection_and_one_more(limit: str) -> None:
    with serving(**{limit: 3}) as served, ExitStack() as exits:
        first = [exits.enter_context(served.peer()) for _ in range(3)]
        until(lambda: len(served.connections()) == 3, seconds=20)
        with served.peer() as fourth:
            assert answer_of(fourth)[0] == 503
            assert closes(fourth)
        assert all(map(is_open, first))
        first.pop().close()
        until(lambda: len(served.connections()) == 2, seconds=20)
        assert served.ask(GET)[0] == 200


class Slow:
    """Answers once it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = 0

    def __call__(self, environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
        self.begun += 1
        self.go.wait(30)
        return whole(b"done", start_response)


def test_the_last_place_in_the_queue_and_one_more() -> None:
    slow = Slow()
    with serving(slow, threads=2, queued=3) as served, ExitStack() as exits:
        peers = [exits.enter_context(served.peer(GET)) for _ in range(5)]
        turns = served.server.config.app._thread_budget  # type: ignore[union-attr]
        until(lambda: turns.remaining == 0, seconds=20)
        status, body = served.ask(GET)
        assert (status, json.loads(body)["code"]) == (503, "overloaded")
        assert slow.begun == 2
        slow.go.set()
        assert [answer_of(peer) for peer in peers] == [(200, b"done")] * 5


def test_behind_a_proxy_it_is_the_clients_that_are_counted(settings: Settings) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    slow = Slow()

    def get(client: str) -> bytes:
        return f"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: forged, {client}\r\n\r\n".encode()

    with serving(slow, behind_proxy=True, connections_per_address=2) as served:
        with ExitStack() as exits:
            for client in ("ann", "ann", "bob"):
                exits.enter_context(served.peer(get(client)))
            until(lambda: len(served.connections()) == 3, seconds=20)
            assert served.ask(get("ann"))[0] == 503
            slow.go.set()
        until(lambda: served.ask(get("ann"))[0] == 200, seconds=20)


def test_large_answers_together_have_a_limit() -> None:
    def large(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
        return whole(b"x" * (8 * MIB if environ["PATH_INFO"] == "/large" else 100), start_response)

    with serving(large, answer_bytes=20 * MIB) as served:
        with served.peer(GET.replace(b"/", b"/large", 1)):
            budget = served.server.config.app._response_budget  # type: ignore[union-attr]
            until(lambda: budget.remaining == 12 * MIB, seconds=20)
            assert served.ask(GET.replace(b"/", b"/large", 1))[0] == 503  # half is one address's
            assert served.ask(GET)[0] == 200
        until(lambda: budget.remaining == 20 * MIB, seconds=20)


def told(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
    output = {name: value for name, value in environ.items() if isinstance(value, str)}
    return whole(
        json.dumps({**output, "who": get_client_address(environ)}).encode(), start_response
    )


def test_what_wsgi_is_told() -> None:
    sent = (
        b"GET /a%20b/%C3%BC?x=%20y HTTP/1.1\r\nHost: h\r\nX-Twice: 1\r\nX-Twice: 2\r\n"
        b"Cookie: a=1\r\nCookie: b=2\r\nX_Forwarded_For: forged\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n"
    )
    with serving(told) as served:
        result = json.loads(served.ask(sent)[1])
    assert result["PATH_INFO"] == "/a b/ü".encode().decode("latin-1")
    assert result["QUERY_STRING"] == "x=%20y"
    assert (result["HTTP_X_TWICE"], result["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")
    assert result["HTTP_X_FORWARDED_FOR"] == "9.9.9.9"
    assert (result["REMOTE_ADDR"], result["who"]) == ("127.0.0.1", "127.0.0.1")
    assert result["SERVER_PROTOCOL"] == "HTTP/1.1"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    ],
)
def test_what_cannot_be_understood_is_told_and_closed(sent: bytes) -> None:
    with serving(told) as served:
        with served.peer(sent) as peer:
            assert answer_of(peer)[0] == 400
            assert closes(peer)


def test_trailers_are_no_headers() -> None:
    sent = (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        b"X-Forwarded-For: 1.2.3.4\r\n\r\n"
    )
    with serving(told) as served:
        assert "HTTP_X_FORWARDED_FOR" not in json.loads(served.ask(sent)[1])


def test_an_application_that_fails_is_a_500_and_the_next_request_is_served() -> None:
    def fails(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/":
            raise ZeroDivisionError
        return whole(b"", start_response)

    with serving(fails) as served:
        status, body = served.ask(GET)
        assert (status, json.loads(body)["code"]) == (500, "internal_error")
        assert served.ask(GET.replace(b"/", b"/ok", 1))[0] == 200
