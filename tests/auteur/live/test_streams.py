"""Server-sent events: what is told, in which order, to whom, and when it ends."""

import time

import requests

from accounts.models import User
from jobs.events.log import get_head
from jobs.models import Job, UserEvent
from tests.auteur.live.running import Live, end, make_job, make_user, say, token_of


def test_a_stream_begins_with_the_head_and_goes_on_from_now(
    live: Live, user: User, job: Job
) -> None:
    say(job, "requested")
    with live.stream("/events", user) as stream:
        assert stream.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert stream.response.headers["Cache-Control"] == "no-store, no-transform"
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        hello = next(stream)
        head = get_head(user.pk)
        assert (hello.event, hello.id) == ("hello", None)
        assert (hello.data["seq"], hello.data["hash"]) == (1, head.hash)
        say(job, "started")
        result = next(stream)
        assert (result.event, result.id) == ("job.started", "2")
        status, page = live.ask("/events?after=1", user)
        assert (status, page["events"]) == (200, [result.data])


def test_a_stream_goes_on_after_the_last_event_that_its_client_knows(
    live: Live, user: User, job: Job
) -> None:
    say(job, *["requested"] * 5)
    with live.stream("/events?after=0", user) as stream:
        assert [next(stream).id for _ in range(6)] == [None, "1", "2", "3", "4", "5"]
    with live.stream("/events?after=0", user, **{"Last-Event-ID": "3"}) as stream:
        assert [next(stream).id for _ in range(3)] == [None, "4", "5"]


def test_two_users_never_see_each_other(live: Live, user: User, job: Job) -> None:
    other = make_user()
    theirs = make_job(other)
    with live.stream("/events", user) as stream, live.stream("/events", other) as another:
        next(stream), next(another)
        say(theirs, "requested")
        say(job, "requested")
        assert next(stream).data["data"]["job_id"] == str(job.pk)
        assert next(another).data["data"]["job_id"] == str(theirs.pk)
    for headers in ({}, {"Accept": "text/event-stream"}):
        status, problem = live.ask(f"/jobs/{theirs.pk}/events", user, **headers)
        assert (status, problem["code"]) == (404, "not_found")


def test_a_job_s_stream_ends_with_the_job(live: Live, user: User, job: Job) -> None:
    say(job, "requested")
    with live.stream(f"/jobs/{job.pk}/events", user) as stream:
        say(make_job(user), "requested")
        say(job, "started")
        end(job)
        result = list(stream)
    assert [item.event for item in result] == [
        "hello", "job.requested", "job.started", "job.cancelled",
    ]  # fmt: skip
    again = live.get(
        f"/jobs/{job.pk}/events",
        user,
        Accept="text/event-stream",
        **{"Last-Event-ID": result[-1].id},
    )
    assert (again.status, again.read()) == (204, b"")
    with live.stream(f"/jobs/{job.pk}/events", user) as stream:
        assert list(stream)[1:] == result[1:]


def test_where_nothing_can_go_on_a_problem_says_so(live: Live, user: User, job: Job) -> None:
    say(job, *["requested"] * 3)
    stream = {"Accept": "text/event-stream"}
    UserEvent.objects.filter(user=user, seq=1).delete()
    status, problem = live.ask("/events?after=0", user, **stream)
    assert (status, problem["code"], problem["oldest"]) == (410, "events_removed", 2)
    assert live.ask("/events?after=4", user, **stream)[0] == 400
    for garbage in ("x", "-1", "1e3", str(2**63)):
        status, problem = live.ask("/events", user, **stream, **{"Last-Event-ID": garbage})
        assert (status, problem["code"]) == (400, "invalid"), garbage
    assert live.ask("/events", **stream)[0] == 401
    expired = token_of(user, exp=int(time.time()) - 60)
    status, problem = live.ask("/events", **stream, Authorization=f"Bearer {expired}")
    assert (status, problem["code"]) == (401, "token_expired")
    assert live.ask("/jobs", user)[0] == live.ask("/ws/jobs", user)[0] == 404


def test_a_stream_ends_with_its_token(live: Live, user: User) -> None:
    soon = token_of(user, exp=int(time.time()) - 9)  # there is a leeway of ten seconds
    with live.stream("/events", user, Authorization=f"Bearer {soon}") as stream:
        assert [item.event for item in stream] == ["hello", "token_expired"]


def test_a_page_of_an_allowed_origin_may_read(live: Live, user: User) -> None:
    with live.stream("/events", user, Origin="http://localhost:3000") as stream:
        assert stream.response.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    with live.stream("/events", user, Origin="http://elsewhere") as stream:
        assert stream.response.headers["Access-Control-Allow-Origin"] is None


def test_a_page_of_an_allowed_origin_may_send_its_token_and_its_last_event(live: Live) -> None:
    answer = requests.options(
        f"http://127.0.0.1:{live.port}/events",
        headers={
            "Origin": "http://localhost:3000",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization,last-event-id",
        },
        timeout=10,
    )
    assert answer.ok
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"authorization", "last-event-id"} <= set(allowed)
