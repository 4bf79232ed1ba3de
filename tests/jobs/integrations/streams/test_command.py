"""`manage.py streams`: what an operator sees and types wrong."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command

from jobs.integrations.streams.names import STREAMS
from jobs.integrations.streams.sinks.redis import POSITION, get_key
from tests.auteur.live.running import end, make_job, make_user, say
from tests.jobs.integrations.streams.conftest import rounds
from tests.waiting import until

pytestmark = pytest.mark.django_db


def streams(*arguments: str) -> str:
    output = StringIO()
    call_command("streams", *arguments, stdout=output)
    return output.getvalue()


def told(*arguments: str) -> Any:
    return json.loads(streams(*arguments, "--json"))


def test_create_makes_what_is_missing_and_changes_nothing_else(store: redis.Redis):
    store.set(get_key("jobs.tts"), "something else")
    made = {item["stream"]: item for item in told("create")}
    assert set(made) == set(STREAMS)
    assert made["jobs.completed"] == {"stream": "jobs.completed", "created": True}
    assert made["jobs.tts"] == {"stream": "jobs.tts", "created": False}
    assert store.get(get_key("jobs.tts")) == b"something else"
    assert store.xinfo_stream(get_key("jobs.completed"))["length"] == 0
    assert store.xinfo_groups(get_key("jobs.completed")) == []
    assert "jobs.completed: was there\n" in streams("create")


def test_health(store: redis.Redis, settings):
    assert told("health")["ok"] is True
    assert "position: ok nothing was published yet" in streams("health")
    store.set(get_key("jobs.tts"), "something else")
    with pytest.raises(SystemExit):
        streams("health")
    settings.STREAMS_REDIS_URL = "redis://127.0.0.1:1/0"
    output = StringIO()
    with pytest.raises(SystemExit):
        call_command("streams", "health", stdout=output)
    assert output.getvalue().startswith("connection: PROBLEM: Redis is away:")


def test_peek_shows_the_last_records(publisher, store):
    assert streams("peek", "jobs.requested") == "jobs.requested is empty.\n"
    jobs = [make_job(make_user()) for _ in range(3)]
    for job in jobs:
        say(job, "requested")
    rounds(publisher)
    body = told("peek", "jobs.requested", "--count", "2")
    assert [first["value"]["job_id"] for first in body] == [str(job.pk) for job in jobs[1:]]
    assert body[0]["key"] == str(jobs[1].user_id)
    store.xadd(get_key("jobs.requested"), {"key": "k", "value": b"no Avro"})
    (unreadable,) = told("peek", "jobs.requested", "--count", "1")
    assert unreadable["unreadable"]
    assert "UNREADABLE" in streams("peek", "jobs.requested")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["peek", "jobs.lip_sync"], "Did you mean jobs.lip-sync"),
        (["peek", "nothing"], "There is no stream 'nothing'. There are: jobs.requested, "),
        (["tail", "jobs.requestd"], "Did you mean jobs.requested"),
        (["peek", "jobs.tts", "--count", "0"], "The number must be from 1 to 1000."),
        (["peek", "jobs.tts", "--count", "1001"], "The number must be from 1 to 1000."),
        (["list"], "invalid choice: 'list'"),
    ],
)
def test_what_is_typed_wrong_is_explained(arguments, why):
    with pytest.raises(CommandError, match=why):
        streams(*arguments)


def test_lag(publisher, store):
    job = make_job(make_user())
    say(job, "requested", "started")
    rounds(publisher)
    end(job)
    store.xgroup_create(get_key("analytics.events"), "readers", id="0")
    store.xreadgroup("readers", "one", {get_key("analytics.events"): ">"}, count=1)
    lag = told("lag")
    assert lag["publisher"]["events"] == 1
    assert lag["publisher"]["holder"] == "the test"
    assert lag["outcomes"] == {"completed": 0, "failed": 0, "cancelled": 1, "error_rate": 0.0}
    assert {"stream": "analytics.events", "records": 2} in lag["lengths"]
    assert lag["groups"] == [
        {"stream": "analytics.events", "group": "readers", "lag": 1, "pending": 1}
    ]
    assert lag["latency"]["within_seconds"]["inf"] == 0
    text = streams("lag")
    assert "1 events and" in text
    assert "group readers of analytics.events: 1 behind, 1 pending" in text


def test_nothing_is_there_to_look_at_where_streams_are_off(settings):
    settings.STREAMS_SINK = "none"
    with pytest.raises(CommandError, match="nothing is published"):
        streams("lag")


@pytest.fixture
def own_signals() -> Iterator[None]:
    """A command may set handlers of its own."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_a_publisher_that_has_nothing_to_do_stays_until_it_is_told(settings, own_signals, caplog):
    settings.STREAMS_SINK = "none"
    caplog.set_level("INFO")

    def tell() -> None:
        until(lambda: "streams are off" in caplog.text)
        os.kill(os.getpid(), signal.SIGTERM)

    teller = threading.Thread(target=tell)
    teller.start()
    streams("publish")
    teller.join()
    assert "streams are off" in caplog.text  # until then it did not return


def test_a_position_that_is_none_is_refused(publisher, store):
    store.set(POSITION, "nonsense")
    assert publisher.attempt(publisher.publish) > 0
