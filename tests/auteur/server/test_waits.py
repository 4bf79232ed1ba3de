"""Requests that wait for something hold no thread, and only so many may wait."""

import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID

from auteur.core.api.waiting import REPEATED_KEY, WAIT_KEY, Wait
from auteur.server.gateway import Environ
from tests.auteur.server.serving import Served, serving, whole
from tests.waiting import until

LONG, SHORT = 20.0, 0.2
REQUEST = b"POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"


class Waiting:
    """An application whose requests at `/<user>/<number>` wait until ``ended`` is set.

    Those at `/` never wait.
    """

    def __init__(self, seconds: float = LONG) -> None:
        self.ended = threading.Event()
        self.fails = False
        self.waiting: set[UUID] = set()
        """Rows that were looked up so far."""
        self.repeated: list[bytes] = []
        self._seconds = seconds

    def __call__(self, environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
        user, _, number = environ["PATH_INFO"].removeprefix("/").partition("/")
        if REPEATED_KEY in environ:
            self.repeated.append(environ["wsgi.input"].read())
            return whole(b"ended", start_response)
        if user:
            row_id = UUID(int=int(number))
            environ[WAIT_KEY] = Wait(user, row_id, self.find_ended, self._seconds)
        return whole(b"first", start_response)

    def find_ended(self, row_ids: Collection[UUID]) -> Collection[UUID]:
        if self.fails:
            raise LookupError("no")
        self.waiting.update(row_ids)
        return row_ids if self.ended.is_set() else ()


def ask(server: Served, pool: ThreadPoolExecutor, path: bytes) -> "Future[tuple[int, bytes]]":
    return pool.submit(server.ask, REQUEST % path)


def test_requests_wait_without_a_thread() -> None:
    application = Waiting()
    changed: dict[str, Any] = {"threads": 2}
    with serving(application, **changed) as server, ThreadPoolExecutor(8) as pool:
        answers = [ask(server, pool, b"user%d/%d" % (number, number)) for number in range(8)]
        until(lambda: len(application.waiting) == 8)
        assert server.ask(REQUEST % b"") == (200, b"first")
        assert not any(answer.done() for answer in answers)
        application.ended.set()
        assert [answer.result(LONG) for answer in answers] == [(200, b"ended")] * 8
    assert application.repeated == [b""] * 8


def test_a_wait_that_is_over_gets_the_first_answer() -> None:
    application = Waiting(SHORT)
    with serving(application) as server:
        assert server.ask(REQUEST % b"user/1") == (200, b"first")
        assert application.repeated == []


def test_what_cannot_be_looked_up_gets_the_first_answer_and_the_next_waits_again() -> None:
    application = Waiting(SHORT)
    application.fails = True
    with serving(application) as server:
        assert server.ask(REQUEST % b"user/1") == (200, b"first")
        application.fails = False
        application.ended.set()
        assert server.ask(REQUEST % b"user/1") == (200, b"ended")


def test_beyond_the_limits_requests_are_answered_at_once() -> None:
    application = Waiting()
    changed: dict[str, Any] = {"waiting": 3, "waiting_per_user": 2}
    with serving(application, **changed) as server, ThreadPoolExecutor(3) as pool:
        answers = [ask(server, pool, path) for path in (b"one/1", b"one/2", b"two/3")]
        until(lambda: len(application.waiting) == 3)
        assert server.ask(REQUEST % b"two/4") == (200, b"first"), "all of the process wait"
        assert server.ask(REQUEST % b"one/5") == (200, b"first"), "both of the user wait"
        application.ended.set()
        assert [answer.result(LONG) for answer in answers] == [(200, b"ended")] * 3
        assert server.ask(REQUEST % b"three/6") == (200, b"ended")


def test_one_user_takes_no_more_than_their_share() -> None:
    application = Waiting()
    changed: dict[str, Any] = {"waiting": 10, "waiting_per_user": 1}
    with serving(application, **changed) as server, ThreadPoolExecutor(2) as pool:
        answers = [ask(server, pool, path) for path in (b"one/1", b"two/2")]
        until(lambda: len(application.waiting) == 2)
        assert server.ask(REQUEST % b"one/3") == (200, b"first")
        application.ended.set()
        assert [answer.result(LONG) for answer in answers] == [(200, b"ended")] * 2
