"""The process `live` follows a log that was set back, and tells its clients."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from accounts.models import User
from auteur.live.sockets import REMOVED
from jobs.events import epochs
from jobs.models import EventCursor, EventEpoch, Job, KeptFigures
from tests.auteur.live.running import Live, make_job, make_user, say, token_of
from tests.jobs.events.setting_back import set_back
from tests.waiting import until


@pytest.fixture(autouse=True)
def no_epochs() -> Iterator[None]:
    """Other tests of this database count from 1."""
    yield
    EventEpoch.objects.all().delete()
    KeptFigures.objects.filter(name=epochs.BEHIND).delete()


def end_of_log() -> int:
    return EventCursor.objects.get(name="numbering").position


def is_noticed() -> bool:
    return "live" in epochs.list_readers_ahead()


def test_a_log_that_was_set_back_is_followed_and_told(live: Live, user: User, job: Job) -> None:
    unharmed, other = make_user(), make_job(make_user())
    spared = make_job(unharmed)
    say(spared, "requested")
    say(job, "requested")
    end = end_of_log()
    with ExitStack() as streams:
        result = streams.enter_context(live.stream("/events", user))
        going_on = streams.enter_context(live.stream("/events", unharmed))
        assert (next(result).data["epoch"], next(going_on).data["epoch"]) == (0, 0)
        say(job, "started")
        assert next(result).data["seq"] == 2  # it is at the end of the log
        say(other, "requested")
        until(lambda: not is_noticed(), seconds=1)

        set_back(end)
        until(is_noticed, seconds=20)

        message = next(result)
        assert (message.event, message.data) == ("events_removed", {"oldest": 2})
        assert next(result, None) is None
        say(spared, "started")  # below the position that the process had seen
        assert next(going_on).data["seq"] == 2
    assert "the database was set back" in live.said.read_text()


def test_a_client_with_a_lost_number_is_told_when_the_epoch_has_begun(
    live: Live, user: User, job: Job
) -> None:
    say(job, "requested")
    end = end_of_log()
    say(job, "started")
    lost = 2
    set_back(end)
    first = epochs.start_epoch().first_position

    status, problem = live.ask(f"/events?after={lost}&wait=20", user)
    assert (status, problem["code"], problem["oldest"]) == (410, "events_removed", first)
    with live.get("/events", user, Accept="text/event-stream", **{"Last-Event-ID": "2"}) as answer:
        assert answer.status == 410
    with live.socket() as socket:
        socket.send(json.dumps({"type": "authenticate", "token": token_of(user), "after": lost}))
        assert json.loads(socket.recv(10))["problem"]["code"] == "events_removed"
        with pytest.raises(Exception, match=str(REMOVED)):
            socket.recv(10)


def test_polls_and_sockets_go_on_in_the_epoch(live: Live, user: User, job: Job) -> None:
    say(job, "requested")
    say(job, "started")
    set_back(end_of_log() - 1)
    epoch = epochs.start_epoch()
    pages: list[Any] = []
    waiting = threading.Thread(
        target=lambda: pages.append(live.ask("/events?after=1&wait=20", user))
    )
    waiting.start()
    with live.socket() as socket:
        socket.send(json.dumps({"type": "authenticate", "token": token_of(user), "after": 1}))
        hello = json.loads(socket.recv(10))
        assert (hello["type"], hello["head"]["seq"], hello["head"]["epoch"]) == (
            "hello",
            1,
            epoch.number,
        )
        say(job, "started")
        assert json.loads(socket.recv(10))["event"]["seq"] == epoch.first_position
    waiting.join(20)
    status, page = pages[0]
    assert (status, [event["seq"] for event in page["events"]]) == (200, [epoch.first_position])
