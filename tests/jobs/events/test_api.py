"""`GET /events`, `/events/head` and `/jobs/:id/events`."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from rest_framework.test import APIClient

from accounts.models import User
from docs.examples.verify_events import next_hash
from jobs.events.log import MAX_EVENTS, MAX_SEQ, MAX_WAIT_SECONDS
from jobs.models import Job, UserEvent
from jobs.retention import sweeping
from tests.jobs.walk import number_all

pytestmark = pytest.mark.django_db

KEPT = timedelta(days=30)
MARGIN = timedelta(minutes=1)


@pytest.fixture
def jobs(make_job: Callable[..., Job]) -> list[Job]:
    """Three jobs, each with one event; their numbers are 1 to 3."""
    created = [make_job() for _ in range(3)]
    number_all()
    return created


def get(api: APIClient, path: str, status: int = 200, **query: Any) -> Any:
    answer = api.get(path, query)
    assert answer.status_code == status, answer.content
    return answer.json()


def seqs(page: Mapping[str, Any]) -> list[int]:
    return [event["seq"] for event in page["events"]]


@pytest.mark.usefixtures("jobs")
def test_events_are_read_from_where_the_client_is(api: APIClient) -> None:
    assert seqs(get(api, "/events")) == [1, 2, 3]
    assert seqs(get(api, "/events", after=0)) == [1, 2, 3]
    assert seqs(get(api, "/events", after=1)) == [2, 3]
    assert seqs(get(api, "/events", after=1, limit=1)) == [2]
    assert seqs(get(api, "/events", after=3)) == []


@pytest.mark.usefixtures("jobs")
def test_the_hash_of_the_head_can_be_recomputed(api: APIClient) -> None:
    expected = "0" * 64
    for event in get(api, "/events")["events"]:
        expected = next_hash(expected, event)
    assert get(api, "/events/head") == {
        "seq": 3,
        "hash": expected,
        "oldest_seq": 1,
        "epoch": 0,
    }


def test_there_may_be_none_yet(api: APIClient) -> None:
    assert get(api, "/events") == {"events": []}
    assert get(api, "/events", after=0) == {"events": []}
    assert get(api, "/events/head") == {
        "seq": 0,
        "hash": "0" * 64,
        "oldest_seq": None,
        "epoch": 0,
    }


def test_a_job_has_its_own(api: APIClient, jobs: list[Job]) -> None:
    [event] = get(api, f"/jobs/{jobs[1].pk}/events")["events"]
    assert (event["seq"], event["data"]["job_id"]) == (2, str(jobs[1].pk))
    assert get(api, f"/jobs/{jobs[1].pk}/events", after=2) == {"events": []}


def test_nobody_sees_another_users(
    client_of: Callable[[User], APIClient], make_user: Callable[..., User], jobs: list[Job]
) -> None:
    stranger = client_of(make_user())
    assert get(stranger, "/events") == {"events": []}
    assert get(stranger, f"/jobs/{jobs[0].pk}/events", 404)["code"] == "not_found"
    assert APIClient().get("/events").status_code == 401


@pytest.mark.usefixtures("jobs")
def test_an_event_of_the_future_is_refused(api: APIClient) -> None:
    for after in (4, MAX_SEQ):
        problem = get(api, "/events", 400, after=after)
        assert (problem["code"], problem["last"]) == ("future_event", 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("after", -1),
        ("after", "x"),
        ("after", MAX_SEQ + 1),
        ("limit", 0),
        ("limit", MAX_EVENTS + 1),
        ("wait", -1),
        ("wait", MAX_WAIT_SECONDS + 1),
    ],
)
def test_bounds_are_named(api: APIClient, name: str, value: object) -> None:
    problem = get(api, "/events", 400, **{name: value})
    assert [error["field"] for error in problem["errors"]] == [name]


@pytest.mark.usefixtures("jobs")
def test_the_edges_of_bounds_are_within(api: APIClient) -> None:
    assert seqs(get(api, "/events", limit=MAX_EVENTS, wait=MAX_WAIT_SECONDS)) == [1, 2, 3]


@pytest.mark.usefixtures("jobs")
def test_old_events_go_and_their_reader_hears_of_it(api: APIClient) -> None:
    old = UserEvent.objects.filter(seq__lte=2)
    old.update(created_at=Now() - KEPT + MARGIN)
    assert sweeping.delete_old_events() == 0
    old.update(created_at=Now() - KEPT - MARGIN)
    assert (sweeping.delete_old_events(), sweeping.delete_old_events()) == (2, 0)

    problem = get(api, "/events", 410, after=1)
    assert (problem["code"], problem["oldest"]) == ("events_removed", 3)
    assert seqs(get(api, "/events", after=2)) == [3]
    assert seqs(get(api, "/events")) == [3]
    head = get(api, "/events/head")
    assert (head["seq"], head["oldest_seq"]) == (3, 3)


@pytest.mark.usefixtures("jobs")
def test_none_goes_before_an_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is whole; and what was passed is not lost sight of."""
    UserEvent.objects.exclude(seq=2).update(created_at=Now() - KEPT - MARGIN)
    assert (sweeping.delete_old_events(), sweeping.delete_old_events()) == (1, 0)
    assert list(UserEvent.objects.values_list("seq", flat=True).order_by("seq")) == [2, 3]
    monkeypatch.setattr(sweeping, "EVENTS_AT_ONCE", 1)
    UserEvent.objects.update(created_at=Now() - KEPT - MARGIN)
    assert [sweeping.delete_old_events() for _ in range(3)] == [1, 1, 0]


@pytest.mark.usefixtures("jobs")
def test_numbers_go_on_after_all_events_are_gone(
    api: APIClient, make_job: Callable[..., Job]
) -> None:
    head = get(api, "/events/head")
    UserEvent.objects.update(created_at=Now() - KEPT - MARGIN)
    assert sweeping.delete_old_events() == 3
    assert get(api, "/events", 410, after=1)["oldest"] is None
    make_job()
    number_all()
    [event] = get(api, "/events", after=3)["events"]
    assert event["seq"] == 4
    assert event["hash"] == next_hash(head["hash"], event)
