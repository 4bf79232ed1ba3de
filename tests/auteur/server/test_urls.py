"""Paths and queries that no view is asked about."""

from collections.abc import Callable, Iterable, Iterator

import pytest

from auteur.server.gateway import Environ
from tests.auteur.server.serving import Served, answer_of, closes, serving, whole


def echo_url(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
    url = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
    return whole(url.encode(), start_response)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(echo_url) as running:
        yield running


def request_of(target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "target", [b"/%00", b"/a%00b", b"/?%00", b"/a?b=%00c", b"/?a=1&b=%%00", b"/a\0b", b"/?a=\0"]
)
def test_no_url_holds_nul(served: Served, target: bytes) -> None:
    with served.peer(request_of(target)) as peer:
        status, body = answer_of(peer)
        assert (status, b'"code": "bad_request"' in body) == (400, True)
        assert closes(peer)


@pytest.mark.parametrize("target", [b"/%2500", b"/?a=%2500", b"/?a=%0&b=0", b"/%01", b"/00"])
def test_what_only_looks_like_nul_is_answered(served: Served, target: bytes) -> None:
    assert served.ask(request_of(target))[0] == 200
