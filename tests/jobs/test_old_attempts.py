"""Attempts go `ATTEMPTS_KEPT_DAYS` after their job's end, a page at a time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from rest_framework.test import APIClient

from jobs import sql
from jobs.audit import ledger_audit
from jobs.models import Attempt, Job, SweepCursor
from jobs.retention import sweeping
from jobs.states import AttemptState
from tests.jobs.walk import bring_to

pytestmark = pytest.mark.django_db

MakeJob = Callable[..., Job]
KEPT = timedelta(days=31)
"""Of the setting below, with the day that must be over."""
FIRST_ID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(autouse=True)
def retention(settings: Any) -> None:
    settings.ATTEMPTS_KEPT_DAYS = 30


def sweep(times: int = 1) -> int:
    removed = 0
    for _ in range(times):
        SweepCursor.objects.update(next_at=Now())
        removed += sweeping.delete_old_attempts()
    return removed


def ago(age: timedelta) -> datetime:
    return datetime.now(UTC) - age


def limit() -> datetime:
    """The beginning of the day 30 days ago: attempts of jobs that ended before it are due."""
    return ago(timedelta(days=30)).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def attempts(make_job: MakeJob) -> list[Attempt]:
    """Of three jobs that ended long ago."""
    attempts = []
    for day in (40, 40, 41):
        attempt = bring_to(make_job(), AttemptState.COMPLETED)
        at = ago(timedelta(days=day))
        Attempt.objects.filter(pk=attempt.pk).update(created_at=at)
        Job.objects.filter(pk=attempt.job_id).update(completed_at=at)
        attempts.append(attempt)
    return attempts


def test_the_job_is_told_as_before(attempts: list[Attempt], api: APIClient) -> None:
    before = api.get(f"/jobs/{attempts[0].job_id}").json()
    assert sweep(4) == 3
    assert not Attempt.objects.exists()
    after = api.get(f"/jobs/{attempts[0].job_id}").json()
    assert after["status"] == before["status"] == "completed"
    assert after["output_data"] == before["output_data"]
    assert ledger_audit.check().total == 0


def test_a_day_must_be_over(attempts: list[Attempt]) -> None:
    jobs = Job.objects.filter(pk__in=[attempt.job_id for attempt in attempts])
    jobs.update(completed_at=limit())
    assert sweep(3) == 0
    jobs.update(completed_at=limit() - timedelta(microseconds=1))
    assert sweep(3) == 3


def test_what_has_ended_lately_stays_until_the_sweep_comes_again(attempts: list[Attempt]) -> None:
    late = Job.objects.filter(pk=attempts[2].job_id)
    late.update(completed_at=limit())
    assert (sweep(5), Attempt.objects.get()) == (2, attempts[2])
    late.update(completed_at=ago(KEPT))
    assert sweep(3) == 1


def test_a_page_with_none_that_is_due_is_passed(
    attempts: list[Attempt], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "ATTEMPTS_AT_ONCE", 1)
    first = min(attempts, key=lambda attempt: attempt.pk)
    Job.objects.filter(pk=first.job_id).update(completed_at=Now())
    assert [sweep() for _ in range(4)] == [0, 1, 1, 0]
    assert SweepCursor.objects.get(table="job_attempts").after == ""


def test_what_goes_on_stays(attempts: list[Attempt], make_job: MakeJob) -> None:
    running = bring_to(make_job(), AttemptState.RUNNING)
    Attempt.objects.filter(pk=running.pk).update(created_at=ago(timedelta(days=44)))
    assert (sweep(3), Attempt.objects.get()) == (len(attempts), running)


def test_the_statement_itself_leaves_what_goes_on(make_job: MakeJob) -> None:
    running = bring_to(make_job(), AttemptState.RUNNING)
    later = datetime.now(UTC) + timedelta(days=1)
    rows = sql.run("remove_old_attempts", after=FIRST_ID, due_before=later, limit=10)
    assert rows == [(running.pk, 0)]
    assert Attempt.objects.get() == running


@pytest.mark.usefixtures("attempts")
def test_a_page_a_minute_by_all_orchestrators_together() -> None:
    assert sweeping.delete_old_attempts() == 3
    assert sweeping.delete_old_attempts() == 0
    wait = SweepCursor.objects.get(table="job_attempts").next_at - datetime.now(UTC)
    assert timedelta(seconds=50) < wait <= sweeping.ATTEMPTS_PAUSE


def test_one_that_is_late_does_not_set_the_cursor_back(
    attempts: list[Attempt], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another has gone on by two pages when its page ends."""
    run = sql.run

    def run_late(name: str, **values: Any) -> list[Any]:
        rows = run(name, **values)
        monkeypatch.setattr(sql, "run", run)
        assert sweep(2) == 2
        return rows

    monkeypatch.setattr(sweeping, "ATTEMPTS_AT_ONCE", 1)
    monkeypatch.setattr(sql, "run", run_late)
    assert sweep() == 1
    last = max(attempt.pk for attempt in attempts)
    assert SweepCursor.objects.get(table="job_attempts").after == str(last)
    assert not Attempt.objects.exists()


@pytest.mark.usefixtures("attempts")
def test_nought_is_for_ever(settings: Any) -> None:
    settings.ATTEMPTS_KEPT_DAYS = 0
    assert sweep(5) == 0
    assert Attempt.objects.count() == 3


def test_the_orchestrator_does_it() -> None:
    assert sweeping.delete_old_attempts in {item.remove for item in sweeping.SWEEPS}
