"""Long polls: an answer at once, when something happens, or when the time is over."""

import json
import threading
import time
from typing import Any

import pytest

from accounts.models import User
from jobs.models import Job
from tests.auteur.live.running import Live, make_job, make_user, say


def test_what_is_there_is_told_at_once(live: Live, user: User, job: Job) -> None:
    say(job, "requested")
    began = time.monotonic()
    status, page = live.ask("/events?after=0&wait=20", user)
    assert (status, [event["seq"] for event in page["events"]]) == (200, [1])
    assert live.ask("/events?wait=20&limit=1", user)[1] == page
    assert live.ask("/events?after=1", user) == (200, {"events": []})
    assert time.monotonic() - began < 20


def test_a_poll_waits_for_what_happens(live: Live, user: User, job: Job) -> None:
    other = make_job(user)
    answers: dict[str, Any] = {}

    def ask(path: str) -> None:
        answers[path] = live.ask(path, user)

    paths = ["/events?wait=20", "/events?after=0&wait=20", f"/jobs/{job.pk}/events?wait=20"]
    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    say(other, "requested")
    for thread in threads[:2]:
        thread.join(60)
    assert [len(answers[path][1]["events"]) for path in paths[:2]] == [1, 1]
    assert threads[2].is_alive()
    say(job, "requested")
    threads[2].join(60)
    assert [event["seq"] for event in answers[paths[2]][1]["events"]] == [2]


def test_a_poll_in_vain_ends_after_its_time_and_costs_a_tenth_of_a_point(
    live: Live, user: User
) -> None:
    def left(path: str) -> int:
        with live.get(path, user) as response:
            assert json.loads(response.read()) == {"events": []}
            return int(response.headers["RateLimit"].partition(";r=")[2].partition(";")[0])

    before, began = left("/events?after=0"), time.monotonic()
    assert left("/events?after=0&wait=1") == before
    assert 1 <= time.monotonic() - began < 20
    result = [left("/events?after=0") for _ in range(9)]
    assert result == [before] * 8 + [before - 1]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ("/events?wait=31", 400, "invalid"),
        ("/events?wait=-1", 400, "invalid"),
        ("/events?wait=20&after=x", 400, "invalid"),
        ("/events?wait=20&after=1", 400, "future_event"),
        ("/events?wait=20&after=-1", 400, "invalid"),
        ("/events?wait=20&after=9223372036854775808", 400, "invalid"),
        ("/nothing?wait=20", 404, "not_found"),
    ],
)
def test_what_cannot_be_is_said_at_once(
    live: Live, user: User, asked: str, status: int, code: str
) -> None:
    result, problem = live.ask(asked, user)
    assert (result, problem["code"]) == (status, code)


def test_another_s_job_and_a_bad_token_are_told_at_once(live: Live, user: User) -> None:
    theirs = make_job(make_user())
    assert live.ask(f"/jobs/{theirs.pk}/events?wait=20", user)[0] == 404
    assert live.ask("/events?wait=20", Authorization="Bearer nonsense")[0] == 401
    assert live.ask("/events?wait=20")[0] == 401
