"""Nobody misses an event or hears one twice, whatever is killed, emptied, cut or slow."""

import json
import socket as sockets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import connection
from websockets.exceptions import ConnectionClosed, WebSocketException

from accounts.models import User
from auteur.live.limits import UNREAD_SECONDS
from jobs.events.log import get_head
from jobs.events.numbering import number_events
from jobs.models import Event, Job
from tests.auteur.live.conftest import Stores
from tests.auteur.live.running import Live, make_job, say, tell, token_of
from tests.auteur.live.test_sockets import code_of
from tests.chaos.proxy import Mode
from tests.waiting import LIMIT_SECONDS, until

WRITERS = 3
EVENTS_EACH = 60
AWAY: tuple[type[Exception], ...] = (OSError, WebSocketException, AssertionError)


class Client(threading.Thread):
    """Comes back with the last number that it knows, until it has all."""

    def __init__(self, live: Live, user: User, wanted: int) -> None:
        super().__init__(daemon=True)
        self.live, self.user, self.wanted = live, user, wanted
        self.events: list[dict[str, Any]] = []
        self.openings = 0

    @property
    def after(self) -> int:
        return self.events[-1]["seq"] if self.events else 0

    def run(self) -> None:
        while len(self.events) < self.wanted:
            try:
                self.openings += 1
                self.listen()
            except AWAY:
                time.sleep(0.1)


class StreamClient(Client):
    def listen(self) -> None:
        with self.live.stream(f"/events?after={self.after}", self.user) as stream:
            for message in stream:
                if message.event.startswith("job."):
                    self.events.append(message.data)
                if len(self.events) == self.wanted:
                    return


class SocketClient(Client):
    def listen(self) -> None:
        with self.live.socket() as socket:
            token = token_of(self.user)
            socket.send(json.dumps({"type": "authenticate", "token": token, "after": self.after}))
            while len(self.events) < self.wanted:
                message = json.loads(socket.recv())
                if message["type"] == "event":
                    self.events.append(message["event"])


class PollClient(Client):
    def listen(self) -> None:
        status, page = self.live.ask(f"/events?after={self.after}&wait=5", self.user)
        assert status == 200
        self.events += page["events"]


def in_thread(work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@contextmanager
def clients(live: Live, user: User, wanted: int) -> Iterator[list[Client]]:
    """One of each kind; in the end each has heard all."""
    kinds: list[type[Client]] = [StreamClient, SocketClient, PollClient]
    started = [kind(live, user, wanted) for kind in kinds]
    for client in started:
        client.start()
    yield started
    for client in started:
        client.join(LIMIT_SECONDS)
        numbers = [event["seq"] for event in client.events]
        assert numbers == list(range(1, wanted + 1)), type(client).__name__
        assert client.events[-1]["hash"] == get_head(user.pk).hash


def write(user: User, goes_on: threading.Event, seconds: float = 1.5) -> threading.Thread:
    """Concurrent writers, and a numberer beside them; ends when all is numbered.

    The second half is not written before ``goes_on``.
    """

    def write_some() -> None:
        job = make_job(user)
        for number in range(EVENTS_EACH):
            if number == EVENTS_EACH // 2:
                goes_on.wait(LIMIT_SECONDS)
            tell(job, "requested")
            time.sleep(seconds / EVENTS_EACH)

    def work() -> None:
        writers = [in_thread(write_some) for _ in range(WRITERS)]
        while any(writer.is_alive() for writer in writers) or Event.objects.exists():
            number_events()
            time.sleep(0.01)

    return in_thread(work)


def test_killed_and_started_again(live: Live, stores: Stores, user: User) -> None:
    with clients(live, user, WRITERS * EVENTS_EACH) as listening:
        goes_on = threading.Event()
        writing = write(user, goes_on)
        until(lambda: all(client.events for client in listening))
        live.kill()
        goes_on.set()
        live.start()
        stores.channels.flushall()
        writing.join(LIMIT_SECONDS)
    assert all(client.openings > 1 for client in listening)


def test_while_stores_are_away_clients_stay_and_catch_up(
    live: Live, stores: Stores, user: User
) -> None:
    with clients(live, user, WRITERS * EVENTS_EACH) as listening:
        goes_on = threading.Event()
        writing = write(user, goes_on)
        until(lambda: all(client.events for client in listening))
        for away in (stores.redis, stores.postgres):
            away.mode = Mode.REFUSE
            away.cut()
            time.sleep(0.5)
        goes_on.set()
        try:
            writing.join(LIMIT_SECONDS)
            assert len(listening[0].events) < WRITERS * EVENTS_EACH
        finally:
            stores.redis.mode = stores.postgres.mode = Mode.PASS
    assert [client.openings for client in listening[:2]] == [1, 1]


def test_a_burst_is_read_in_the_log(live: Live, user: User, job: Job) -> None:
    with live.stream("/events", user) as stream, live.socket() as socket:
        next(stream)
        socket.send(json.dumps({"type": "authenticate", "token": token_of(user)}))
        socket.recv()
        say(job, *["requested"] * 600)
        assert [next(stream).id for _ in range(600)] == [str(n) for n in range(1, 601)]
        result = [json.loads(socket.recv())["event"]["seq"] for _ in range(600)]
        assert result == list(range(1, 601))


def test_slow_and_silent_clients_are_dropped_and_others_are_not(
    live: Live, user: User, job: Job
) -> None:
    plain = sockets.socket()
    plain.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    plain.connect(("127.0.0.1", live.port))
    with (
        live.socket() as silent,
        live.socket(sock=plain, max_queue=1) as slow,
        live.stream("/events", user) as stream,
    ):
        next(stream)
        slow.send(json.dumps({"type": "authenticate", "token": token_of(user)}))
        assert json.loads(slow.recv())["type"] == "hello"
        say(job, *["requested"] * 2000)
        for _ in range(2000):
            next(stream)
        time.sleep(UNREAD_SECONDS + 5)  # it is seen within a second
        heard = []
        with suppress(ConnectionClosed):
            for message in slow:
                heard.append(message)
        assert (slow.close_code, len(heard) < 2000) == (4008, True)
        say(job, "started")
        assert next(stream).event == "job.started"
        assert code_of(silent) == 4408  # AUTHENTICATION_SECONDS are over
