"""WebSockets: who is let in, what is told, and with which code they end."""

import json
import signal
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from accounts.models import User
from jobs.events.log import get_head
from jobs.models import Job, UserEvent
from tests.auteur.live.running import WAIT_SECONDS, Live, make_job, make_user, say, token_of


def read(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(WAIT_SECONDS))


def write(socket: ClientConnection, **message: Any) -> None:
    socket.send(json.dumps(message))


def authenticate(socket: ClientConnection, user: User, **more: Any) -> Any:
    """The answer to the first message."""
    write(socket, type="authenticate", token=token_of(user), **more)
    return read(socket)


def code_of(socket: ClientConnection) -> int | None:
    """The code with which it closes, after whatever it has said."""
    with suppress(ConnectionClosed):
        while socket.recv(WAIT_SECONDS):
            pass
    return socket.close_code


def test_a_socket_says_hello_with_open_jobs_and_goes_on(live: Live, user: User, job: Job) -> None:
    say(job, "requested")
    make_job(make_user())
    with live.socket() as socket:
        hello = authenticate(socket, user)
        head = get_head(user.pk).model_dump(mode="json")
        jobs = [{"id": str(job.pk), "type": job.type, "status": "pending", "progress": 0.0}]
        assert hello == {"type": "hello", "head": head, "jobs": jobs}
        say(job, "started")
        result = read(socket)
        _, page = live.ask("/events?after=1", user)
        assert result == {"type": "event", "event": page["events"][0]}
        write(socket, type="ping")
        assert read(socket) == {"type": "pong"}
        socket.ping().wait(WAIT_SECONDS)


def test_a_token_may_come_as_a_subprotocol(live: Live, user: User, job: Job) -> None:
    say(job, "requested", "started")
    with live.socket(subprotocols=["auteur.v1", f"bearer.{token_of(user)}"]) as socket:
        assert socket.subprotocol == "auteur.v1"
        assert read(socket)["type"] == "hello"
    with live.socket() as socket:
        authenticate(socket, user, after=1)
        assert read(socket)["event"]["seq"] == 2


def test_who_is_not_known_is_told_so(live: Live, user: User) -> None:
    gone = make_user()
    User.objects.filter(pk=gone.pk).update(is_active=False)
    for token in ("nonsense", "ö", token_of(gone), token_of(user, exp=int(time.time()) - 60)):
        with live.socket() as socket:
            write(socket, type="authenticate", token=token)
            assert code_of(socket) == 4401
    with live.socket(subprotocols=["auteur.v1", "bearer.nonsense"]) as socket:
        problem = read(socket)
        assert (problem["type"], problem["problem"]["code"]) == ("error", "invalid_token")
        assert code_of(socket) == 4401


def test_a_token_that_ends_ends_the_socket(live: Live, user: User) -> None:
    with live.socket() as socket:
        write(socket, type="authenticate", token=token_of(user, exp=int(time.time()) - 9))
        assert read(socket)["type"] == "hello"
        assert code_of(socket) == 4403


def test_a_user_who_is_no_longer_active_hears_no_more(live: Live, user: User) -> None:
    with live.socket() as socket, live.stream("/events", user) as stream:
        authenticate(socket, user)
        User.objects.filter(pk=user.pk).update(is_active=False)
        say(make_job(user), "requested")
        assert code_of(socket) == 4403
        assert [item.event for item in stream][-1] == "token_expired"


@pytest.mark.parametrize("sent", ["", "{", "[]", '"x"', "[" * 4000, '{"type":"x"}', b"\0\xff"])
def test_garbage_ends_a_socket(live: Live, user: User, sent: str | bytes) -> None:
    with live.socket() as unknown, live.socket() as known:
        authenticate(known, user)
        for socket in (unknown, known):
            socket.send(sent)
            assert code_of(socket) == 4422


def test_what_is_too_large_is_not_read(live: Live, user: User) -> None:
    with live.socket() as at_the_edge, live.socket() as beyond, live.socket() as far_beyond:
        authenticate(at_the_edge, user)
        at_the_edge.send(json.dumps({"type": "ping"}).ljust(4096))
        assert read(at_the_edge) == {"type": "pong"}
        beyond.send(json.dumps({"type": "ping"}).ljust(4097))
        assert code_of(beyond) == 4413
        with suppress(ConnectionClosed):
            far_beyond.send("x" * 10_000_000)
        assert code_of(far_beyond) in (1006, 1009)


def test_a_message_of_endless_empty_parts_ends(live: Live) -> None:
    with live.socket() as socket:
        with suppress(ConnectionClosed):
            socket.send("" for _ in range(1000))
        assert code_of(socket) in (1006, 1009)


def test_where_nothing_can_go_on_the_code_says_why(live: Live, user: User, job: Job) -> None:
    say(job, *["requested"] * 3)
    UserEvent.objects.filter(user=user, seq=1).delete()
    for after, code, problem in (
        (0, 4410, "events_removed"),
        (4, 4422, "future_event"),
        (-1, 4422, "invalid"),
        ("x", 4422, "invalid"),
        ([1], 4422, "invalid"),
    ):
        with live.socket() as socket:
            result = authenticate(socket, user, after=after)
            assert (result["type"], result["problem"]["code"]) == ("error", problem)
            assert result["problem"].get("oldest") == (2 if code == 4410 else None)
            assert code_of(socket) == code


def test_pages_of_other_origins_and_other_addresses_are_not_let_in(live: Live) -> None:
    with live.socket(origin="http://localhost:3000"):
        pass
    for options in ({"origin": "http://elsewhere"}, {"origin": "null"}):
        with pytest.raises(InvalidStatus), live.socket(**options):
            pass


def test_no_url_holds_nul(live: Live, user: User) -> None:
    for path in ("/events?after=%00", "/jobs/%00/events", "/%00"):
        status, problem = live.ask(path, user)
        assert (status, problem["code"]) == (400, "bad_request")
        assert live.get(path, user, Accept="text/event-stream").status == 400
    with pytest.raises(InvalidStatus) as refused, connect(live.socket_url + "?a=%00"):
        pass
    assert refused.value.response.status_code == 400


def test_a_stop_is_told_to_all(live: Live, user: User, job: Job) -> None:
    with live.stream("/events", user) as stream, live.socket() as socket, live.socket() as unknown:
        next(stream)
        assert authenticate(socket, user)["type"] == "hello"
        polled: list[Any] = []
        polling = threading.Thread(
            target=lambda: polled.append(live.ask("/events?wait=20", user)), daemon=True
        )
        polling.start()
        time.sleep(0.3)
        assert live.terminate() in (0, -signal.SIGTERM)
        assert list(stream) == []
        assert (code_of(socket), code_of(unknown)) == (1012, 1012)
        polling.join(60)
        assert polled == [(200, {"events": []})]
