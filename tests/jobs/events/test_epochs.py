"""After a restore, a new epoch: no number names two events, and nobody misses what comes."""

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from rest_framework.test import APIClient

from accounts.models import User
from auteur import metrics
from docs.examples import verify_events
from jobs.audit import event_verification as verification
from jobs.event_contract import Wire
from jobs.events import cursors, epochs, log
from jobs.events.epochs import NUMBERS_PER_EPOCH
from jobs.models import EventCursor, EventEpoch, Job, UserEvent
from tests.auteur.live.running import make_job as make_plain_job
from tests.auteur.live.running import say
from tests.jobs.events.setting_back import set_back
from tests.jobs.walk import number_all
from tests.properties import LONG

pytestmark = pytest.mark.django_db

MakeJob = Callable[..., Job]


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    """One of three jobs of a user, each with one event; the log then lost the last."""
    jobs = [make_job() for _ in range(3)]
    number_all()
    set_back(2)
    return jobs[0]


def get(api: APIClient, path: str, status: int = 200, **query: Any) -> Any:
    answer = api.get(path, query)
    assert answer.status_code == status, answer.content
    return answer.json()


def seqs(page: dict[str, Any]) -> list[int]:
    return [event["seq"] for event in page["events"]]


def test_numbers_go_on_beyond_all_that_may_be_known(job: Job, user: User) -> None:
    first = epochs.start_epoch().first_position
    say(job, "started", "requeued")

    events = log.list_events(user_id=user.pk, after=None)
    assert [event["seq"] for event in events] == [1, 2, first, first + 1]
    assert log.get_last_position() == first + 1
    assert verification.check().findings == []


def test_who_knows_a_lost_event_is_told_to_read_again(job: Job, api: APIClient) -> None:
    """Before and after the first event of the epoch, and from there on nothing is missed."""
    assert get(api, "/events", 400, after=3)["code"] == "future_event"
    epoch = epochs.start_epoch()
    first = epoch.first_position
    assert get(api, "/events/head")["epoch"] == epoch.number
    for _ in range(2):
        problem = get(api, "/events", 410, after=3)
        assert (problem["code"], problem["oldest"]) == ("events_removed", first)
        assert get(api, f"/jobs/{job.pk}/events", 410, after=3)["code"] == "events_removed"
        going_on = get(api, "/events", after=problem["oldest"] - 1)
        say(job, "started")
    assert seqs(going_on) == [first]
    assert get(api, "/events", 400, after=first + 9)["code"] == "future_event"


def test_who_knows_no_lost_event_goes_on(job: Job, api: APIClient) -> None:
    first = epochs.start_epoch().first_position
    assert seqs(get(api, "/events", after=2)) == []
    say(job, "started")
    assert seqs(get(api, "/events", after=2)) == [first]
    assert seqs(get(api, "/events", after=0)) == [1, 2, first]
    assert seqs(get(api, f"/jobs/{job.pk}/events", after=1)) == [first]


def test_who_lost_everything_begins_in_the_epoch(job: Job, api: APIClient, user: User) -> None:
    set_back(0)
    first = epochs.start_epoch().first_position
    assert seqs(get(api, "/events", after=0)) == []
    assert get(api, "/events", 410, after=2)["oldest"] == first
    say(job, "started")
    assert seqs(get(api, "/events", after=0)) == [first]
    assert get(api, "/events", 410, after=2)["oldest"] == first
    UserEvent.objects.filter(user_id=user.pk).delete()  # they are no longer kept
    assert get(api, "/events", 410, after=0)["oldest"] is None


def test_a_user_of_a_later_epoch_misses_nothing(
    job: Job, make_user: Callable[..., User], client_of: Callable[[User], APIClient]
) -> None:
    first = epochs.start_epoch().first_position
    other = make_user()
    say(make_plain_job(other), "requested", "started")
    api = client_of(other)
    assert seqs(get(api, "/events", after=0)) == [first, first + 1]
    UserEvent.objects.filter(user_id=other.pk, seq=first).delete()
    assert get(api, "/events", 410, after=0)["oldest"] == first + 1


def test_starting_twice_does_no_harm(job: Job, user: User) -> None:
    first, second = epochs.start_epoch(), epochs.start_epoch()
    assert second.number > first.number
    say(job, "started")
    third = epochs.start_epoch()
    say(job, "requeued")
    events = log.list_events(user_id=user.pk, after=2)
    assert [event["seq"] for event in events] == [second.first_position, third.first_position]
    assert verification.check().findings == []


def test_an_epoch_that_a_second_restore_has_lost_does_not_begin_again(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is gone; the clock goes on."""
    lost = epochs.start_epoch().number
    say(job, "started")
    set_back(1)
    assert not EventEpoch.objects.exists()
    a_minute_passes(monkeypatch)
    assert epochs.start_epoch().number > lost


def a_minute_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "EPOCH_ORIGIN", epochs.EPOCH_ORIGIN - timedelta(minutes=1))


def test_positions_that_were_seen_elsewhere_are_left_out(job: Job) -> None:
    seen = epochs.get_first_seq(epochs.start_epoch().number + 1000)
    assert epochs.start_epoch(seen=[seen]).first_position == seen + NUMBERS_PER_EPOCH
    epochs.report_log_behind("live", seen=seen + 5 * NUMBERS_PER_EPOCH, end=2)
    assert epochs.start_epoch().first_position == seen + 6 * NUMBERS_PER_EPOCH


def test_readers_that_have_read_all_wait_for_the_epoch(job: Job) -> None:
    EventCursor.objects.create(name="done", position=2)
    EventCursor.objects.create(name="late", position=1)
    first = epochs.start_epoch().first_position
    assert cursors.get_position("done") == first - 1
    assert cursors.get_position("late") == 1


SPOILT = [
    "UPDATE event_epochs SET first_position = first_position + 5",
    "UPDATE event_epochs SET number = 2",
    f"UPDATE user_events SET seq = seq + 1 WHERE seq > {NUMBERS_PER_EPOCH}",
    "DELETE FROM user_events WHERE seq = 2",
]


@pytest.mark.parametrize("statement", SPOILT)
def test_a_gap_that_no_epoch_explains_is_found(job: Job, statement: str) -> None:
    epochs.start_epoch()
    say(job, "started")
    with connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount > 0
    findings = verification.check().findings
    # Without the last event before it, the hash alone tells.
    rule = "hash_chains" if "seq = 2" in statement else "seq_has_no_gaps"
    assert rule in {finding.rule for finding in findings}


@pytest.mark.property
@pytest.mark.parametrize("seed", range(100 if LONG else 3))
def test_whatever_is_lost_no_number_names_two_events_and_no_client_misses_one(
    seed: int, make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    jobs = [make_plain_job(make_user()) for _ in range(3)]
    values: dict[tuple[UUID, int], str] = {}
    expected: defaultdict[UUID, set[int]] = defaultdict(lambda: {0})
    for _ in range(12):
        for job in chance.sample(jobs, chance.randrange(1, 4)):
            say(job, *["requeued"] * chance.randrange(1, 4))
        for job in jobs:
            for event in log.list_events(user_id=job.user_id, after=None):
                hash_ = values.setdefault((job.user_id, event["seq"]), event["hash"])
                assert hash_ == event["hash"], "one number names two events"
                expected[job.user_id].add(event["seq"])
        if chance.random() < 0.5:
            positions = [
                0,
                *UserEvent.objects.order_by("position").values_list("position", flat=True),
            ]
            set_back(chance.choice(positions))
            a_minute_passes(monkeypatch)
            epochs.start_epoch()
        assert verification.check().findings == []
        for job in jobs:
            events = log.list_events(user_id=job.user_id, after=None)
            for after in expected[job.user_id]:
                check_client(job.user_id, after, events)


def check_client(user_id: UUID, after: int, kept: list[Wire]) -> None:
    """A client is told that it knows a lost event, or gets all that follows what it knows."""
    is_kept = after == 0 or after in [event["seq"] for event in kept]
    following = [event for event in kept if event["seq"] > after]
    if is_kept:
        assert log.list_events(user_id=user_id, after=after) == following
    else:
        with pytest.raises(log.EventsRemovedProblem) as removed:
            log.list_events(user_id=user_id, after=after)
        rest = log.list_events(user_id=user_id, after=removed.value.extra["oldest"] - 1)
        assert rest == following


def test_the_example_verifies_across_epochs(
    job: Job, user: User, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = epochs.start_epoch().first_position
    say(job, "started")
    monkeypatch.setattr(verify_events, "get", lambda base, token, path: get(api, path))
    seq, expected = verify_events.follow("", "")
    assert (seq, expected) == (first, log.get_head(user.pk).hash)


def test_events_are_numbered_as_safely_as_the_setting_says(job: Job, settings: Any) -> None:
    settings.EVENTS_SYNCHRONOUS_COMMIT = "remote_apply"
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        say(job, "started")
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("remote_apply",)


def test_the_alarm_is_seen_in_the_figures_until_the_epoch_begins(
    job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    def samples() -> dict[str, float]:
        return {
            sample.name + sample.labels.get("reader", ""): sample.value
            for family in metrics.Gauges().collect()
            if family.name in {"auteur_log_behind_events", "auteur_events_epoch"}
            for sample in family.samples
        }

    assert samples() == {"auteur_events_epoch": 0}
    epochs.report_log_behind("live", seen=7, end=2)
    epochs.report_log_behind("streams", seen=3, end=2)
    epochs.report_log_behind("live", seen=6, end=2)
    assert samples() == {
        "auteur_events_epoch": 0,
        "auteur_log_behind_eventslive": 5,
        "auteur_log_behind_eventsstreams": 1,
    }
    assert "run `manage.py events_new_epoch`" in caplog.text
    epoch = epochs.start_epoch()
    assert samples() == {"auteur_events_epoch": epoch.number}


def test_the_command_says_what_it_did(job: Job, settings: Any) -> None:
    settings.STREAMS_SINK = "none"
    out = StringIO()
    call_command("events_new_epoch", stdout=out)
    epoch = EventEpoch.objects.get()
    assert out.getvalue() == (
        f"Epoch {epoch.number} begins: events are numbered from {epoch.first_position} on.\n"
    )


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_who_numbers_just_now(job: Job) -> None:
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM event_cursors WHERE name = 'numbering' FOR UPDATE")
            with connection.cursor() as ours:
                ours.execute("SET lock_timeout = '200ms'")
                with pytest.raises(OperationalError, match="lock timeout"):
                    epochs.start_epoch()
                ours.execute("RESET lock_timeout")
    finally:
        other.rollback()
        other.close()
    assert not EventEpoch.objects.exists()
    assert epochs.start_epoch().number > 0
