"""Prompts, payloads and outcomes go when their days are over, and what the books need stays."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from rest_framework.test import APIClient

from accounts import retention
from accounts.models import RetentionWalk
from jobs import sql
from jobs.models import Attempt, Job
from jobs.retention import sweeping
from jobs.states import AttemptState
from tests.jobs.walk import OUTCOME, bring_to

pytestmark = pytest.mark.django_db

MakeJob = Callable[..., Job]
SAID = OUTCOME.model_dump(mode="json")


@pytest.fixture(autouse=True)
def days(settings: Any) -> None:
    settings.RETENTION_PROMPTS_DAYS = 30
    settings.RETENTION_PAYLOADS_DAYS = 20
    settings.RETENTION_OUTCOMES_DAYS = 10


@pytest.fixture
def ended(make_job: MakeJob) -> Callable[[int], Job]:
    """A completed job that ended so many days ago, and left all of it behind, as failed ones do."""

    def make(days: int) -> Job:
        job = make_job()
        attempt = bring_to(job, AttemptState.COMPLETED)
        ago = Now() - timedelta(days=days, seconds=1)
        Job.objects.filter(pk=job.pk).update(completed_at=ago)
        remaining = {"payload": {"text": "secret"}, "result": {"answer": 42}, "outcome": SAID}
        Attempt.objects.filter(pk=attempt.pk).update(finished_at=ago, **remaining)
        job.refresh_from_db()
        return job

    return make


def turn() -> int:
    RetentionWalk.objects.update(next_at=Now())
    return retention.sweep_expired_fields()


def kept(job: Job) -> tuple[bool, bool, bool]:
    """Of prompt, payload and outcome, what is still there."""
    job.refresh_from_db()
    attempt = Attempt.objects.get(job=job)
    outcome = attempt.result is not None and "result" in (attempt.outcome or {})
    return job.input_params is not None, attempt.payload is not None, outcome


def test_each_goes_on_its_day(ended: Callable[[int], Job]) -> None:
    jobs = {days: ended(days) for days in (9, 10, 20, 30)}
    turn()
    assert {days: kept(job) for days, job in jobs.items()} == {
        9: (True, True, True),
        10: (True, True, False),
        20: (True, False, False),
        30: (False, False, False),
    }
    attempt = Attempt.objects.get(job=jobs[30])
    assert attempt.outcome is not None
    assert attempt.outcome["engine"]["name"] == "draft"
    assert jobs[30].output_data is not None


def test_what_is_open_keeps_all(make_job: MakeJob) -> None:
    job = make_job()
    bring_to(job, AttemptState.RUNNING)
    Job.objects.filter(pk=job.pk).update(created_at=Now() - timedelta(days=400))
    turn()
    job.refresh_from_db()
    assert job.input_params is not None
    assert Attempt.objects.get(job=job).payload is not None


def test_nought_is_for_ever(ended: Callable[[int], Job], settings: Any) -> None:
    settings.RETENTION_PROMPTS_DAYS = 0
    job = ended(3000)
    turn()
    assert kept(job) == (True, False, False)
    settings.RETENTION_PAYLOADS_DAYS = settings.RETENTION_OUTCOMES_DAYS = 0
    RetentionWalk.objects.all().delete()
    assert turn() == 0
    assert not RetentionWalk.objects.exists()


def test_a_turn_is_a_page_and_the_next_goes_on(
    ended: Callable[[int], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS_PER_PAGE", 2)
    jobs = [ended(40) for _ in range(3)]
    gone = []
    for _ in range(3):
        turn()
        gone.append(sum(kept(job) == (False, False, False) for job in jobs))
    assert gone[-1] == 3
    assert not retention.sweep_expired_fields()  # not before a minute is over


def test_the_orchestrator_does_it() -> None:
    assert retention.sweep_expired_fields in [sweep.remove for sweep in sweeping.SWEEPS]


def test_what_is_no_longer_kept_cannot_be_run_again(make_job: MakeJob, api: APIClient) -> None:
    job = make_job()
    api.post(f"/jobs/{job.pk}/cancel")
    Job.objects.filter(pk=job.pk).update(completed_at=Now() - timedelta(days=31))
    turn()
    assert api.get(f"/jobs/{job.pk}").status_code == 200
    answer = api.post(f"/jobs/{job.pk}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "input_gone")


def test_the_voice_that_was_used_stays_known(ended: Callable[[int], Job]) -> None:
    voice_id = str(uuid.uuid4())
    job = ended(31)
    values = {"input_params": {"text": "secret", "voice_id": voice_id}}
    Job.objects.filter(pk=job.pk).update(**values, derived_params={"language": "en"})
    assert turn() > 0
    job.refresh_from_db()
    assert (job.input_params, job.derived_params) == (None, {"voice_id": voice_id})
    reached = sql.run("made_from", user_id=job.user_id, sources=[voice_id])
    assert job.pk in {job_id for _, job_id, _ in reached}
    assert turn() == 0


def test_what_a_failed_call_said_goes_with_its_outcome(make_job: MakeJob) -> None:
    attempt = bring_to(make_job(), AttemptState.COMPLETED)
    old = {"finished_at": Now() - timedelta(days=11), "error_message": "talk.wav is broken"}
    Attempt.objects.filter(pk=attempt.pk).update(**old, result=None, outcome=None)
    turn()
    attempt.refresh_from_db()
    assert attempt.error_message is None
