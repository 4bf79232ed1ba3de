"""Bodies are there before anything happens: within bytes, in time, and kept in files."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from auteur.server.gateway import Environ
from tests.auteur.server.serving import MIB, answer_of, is_open, serving, whole
from tests.waiting import until

KIB = 1024


def post(body: bytes, path: str = "/") -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (
        path.encode(),
        len(body),
        body,
    )


def chunked(*chunks: bytes) -> bytes:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(
        b"%x\r\n%s\r\n" % (len(item), item) for item in (*filter(None, chunks), b"")
    )


@pytest.mark.parametrize("size", [0, 1, 64 * KIB, 64 * KIB + 1, MIB])
def test_a_body_arrives_as_it_was_sent(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    with serving() as served:
        assert served.ask(post(body)) == (200, body)
        assert served.ask(chunked(body[: size // 2], body[size // 2 :])) == (200, body)


def test_several_requests_at_once_are_answered_in_order() -> None:
    with serving() as served:
        with served.peer(post(b"1") + post(b"2" * 70_000) + post(b"3")) as peer:
            received = b""
            while not received.endswith(b"\r\n\r\n3"):
                received += peer.recv(65536)
        assert received.count(b"HTTP/1.1 200") == 3
        assert received.index(b"\r\n\r\n1") < received.index(b"2" * 1000)


def test_a_peer_that_goes_between_two_requests_leaves_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving() as served:
        for _ in range(20):
            served.peer(post(b"1") + post(b"2")[:-1]).close()
        assert served.ask(post(b"3")) == (200, b"3")
        until(lambda: not served.connections(), seconds=20)
        until(lambda: not served.server.server_state.tasks, seconds=20)
    assert "ERROR" not in {record.levelname for record in caplog.records}


def read_or_413(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
    from django.core.exceptions import RequestDataTooBig

    try:
        return whole(environ["wsgi.input"].read(), start_response)
    except RequestDataTooBig:
        start_response("413 Too large", [("Content-Length", "0")])
        return [b""]


def test_the_limit_of_a_path_and_one_byte_more() -> None:
    with serving(read_or_413, lambda environ: 10 if environ["PATH_INFO"] == "/a" else 20) as served:
        assert served.ask(post(b"x" * 10, "/a")) == (200, b"x" * 10)
        assert served.ask(post(b"x" * 11, "/a"))[0] == 413
        assert served.ask(post(b"x" * 20, "/b"))[0] == 200
        assert served.ask(chunked(b"x" * 21))[0] == 413


def test_of_what_is_too_large_nothing_is_waited_for() -> None:
    with serving(read_or_413) as served:
        with served.peer(post(b"")[:-5] + b"%d\r\n\r\n" % (MIB + 1)) as peer:
            assert answer_of(peer)[0] == 413
            (connection,) = served.connections()
            began = until(lambda: connection._answered_at, seconds=20)
            assert not connection.update_timeouts(began + served.limits.linger_seconds)
            assert connection.update_timeouts(began + served.limits.linger_seconds + 0.01)


def test_nobody_is_asked_to_go_on_with_what_will_not_be_read() -> None:
    expecting = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with serving(read_or_413) as served:
        assert served.ask(expecting % (MIB + 1))[0] == 413
        with served.peer(expecting % 2) as peer:
            assert peer.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            peer.sendall(b"ab")
            assert answer_of(peer) == (200, b"ab")


def test_a_body_that_comes_too_slowly_is_told_so() -> None:
    with serving(window_seconds=0.3, window_bytes=1000) as served:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"
        assert served.ask(head + b"x" * 999)[0] == 408
        assert served.ask(head + b"x" * 1999)[0] == 408
        with served.peer(head + b"x" * 4999) as peer:
            assert is_open(peer)
            peer.sendall(b"x")
            assert answer_of(peer)[0] == 200


def test_large_bodies_together_have_a_limit_and_small_ones_pass() -> None:
    def get_client(environ: Environ) -> str:
        return str(environ.get("HTTP_X_WHO", ""))

    def begun(name: str, size: int) -> bytes:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nX-Who: {name}\r\nContent-Length: {MIB}\r\n\r\n"
        return head.encode() + b"x" * size

    with serving(get_client=get_client, body_bytes=800 * KIB) as served:
        with served.peer(begun("ann", 400 * KIB)) as ann, served.peer(begun("bob", 300 * KIB)):
            budget = served.server.config.app._bodies.budget  # type: ignore[union-attr]
            until(lambda: budget.remaining == 100 * KIB, seconds=20)
            assert served.ask(begun("ann", 100 * KIB))[0] == 503  # half is ann's
            assert served.ask(begun("eve", 200 * KIB))[0] == 503  # the rest is less
            assert served.ask(post(b"x" * 64 * KIB))[0] == 200
            assert is_open(ann)
        until(lambda: budget.remaining == 800 * KIB, seconds=20)


def test_a_large_body_is_on_disk_and_leaves_nothing_behind(tmp_path: Path) -> None:
    seen: list[object] = []

    def digest(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        seen.append(body._rolled)
        return whole(hashlib.file_digest(body, "sha256").hexdigest().encode(), start_response)

    body = b"film" * 5 * MIB
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path))
        with serving(digest, lambda environ: 32 * MIB) as served:
            assert served.ask(post(body)) == (200, hashlib.sha256(body).hexdigest().encode())
    assert seen == [True]
    assert list(tmp_path.iterdir()) == []
