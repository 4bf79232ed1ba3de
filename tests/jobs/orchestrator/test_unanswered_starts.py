"""A start at Modal that nobody answered is a lost attempt: its call is told to stop."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.utils import timezone
from pytest_django import Settings

from jobs import lifecycle, workflow
from jobs.calls.backends import modal as modal_backend
from jobs.models import Attempt, Job
from jobs.orchestrator import repair
from jobs.states import AttemptState
from tests.jobs.calls.backends.conftest import modal_peer, running_modal_peer  # noqa: F401 - fixtures
from tests.jobs.walk import OUTCOME, admit
from tests.modal_peer.scenario import Scenario
from tests.modal_peer.serving import Peer

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(
    make_job: Callable[..., Job],
    settings: Settings,
    modal_peer: Peer,  # noqa: F811
) -> Job:
    """A pending job for Modal."""
    settings.INFERENCE_BACKENDS = {"transcription": "modal"}
    return make_job()


def start(attempt: Attempt) -> Attempt:
    workflow.prepare([attempt.pk])
    workflow.dispatch([attempt.pk])
    attempt.refresh_from_db()
    return attempt


def decide(job: Job) -> Attempt:
    """Let the orchestrator decide about a job that is due; return its present attempt."""
    Job.objects.filter(pk=job.pk).update(wake_at=timezone.now() - timedelta(seconds=1))
    repair.reconcile()
    job.refresh_from_db()
    assert job.attempt is not None
    return job.attempt


@pytest.mark.parametrize("scenario", [Scenario.SILENCE, Scenario.LOST_REPLIES])
def test_each_unanswered_start_ends_its_attempt(
    job: Job,
    modal_peer: Peer,  # noqa: F811
    scenario: Scenario,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start(admit(job))  # Modal knows the function from now on
    monkeypatch.setattr(modal_backend, "BATCH_SECONDS", 2.0)
    job.refresh_from_db()
    lifecycle.mark_errored(
        attempt_id=UUID(str(job.attempt_id)),
        error=repair.JobError.of(repair.ErrorCode.STORAGE_ERROR),
        states=[AttemptState.RUNNING],
    )
    modal_peer.plays(scenario)
    pauses = []
    for _ in range(3):
        attempt = decide(job)
        assert job.wake_at is not None
        pauses.append((job.wake_at - timezone.now()).total_seconds())
        start(attempt)
        assert (attempt.state, attempt.error_code) == (AttemptState.ERRORED, "GPU_UNAVAILABLE")
    assert pauses[0] < pauses[1] < pauses[2]
    present = decide(job)
    attempts = [call.payload["attempt_id"] for call in modal_peer.book.calls.values()]
    assert len(attempts) == len(set(attempts)) == 4  # never two calls of the same attempt
    assert str(present.pk) not in attempts
    for attempt_id in attempts[1:]:
        for report in (
            lambda pk: lifecycle.report_progress(attempt_id=pk, call_id="fc-x", progress=0.1),
            lambda pk: lifecycle.report_outcome(attempt_id=pk, call_id="fc-x", outcome=OUTCOME),
        ):
            with pytest.raises(lifecycle.SupersededProblem):
                report(UUID(attempt_id))


def test_a_start_that_is_refused_for_long_becomes_a_lost_attempt(
    job: Job,
    modal_peer: Peer,  # noqa: F811
) -> None:
    modal_peer.plays(Scenario.RESOURCE_EXHAUSTED)
    attempt = start(admit(job))
    assert attempt.state == AttemptState.PREPARED
    pauses = []
    for seconds in (10, 40):
        Attempt.objects.update(created_at=timezone.now() - timedelta(seconds=seconds))
        workflow.dispatch([attempt.pk])
        job.refresh_from_db()
        assert job.wake_at is not None
        pauses.append((job.wake_at - timezone.now()).total_seconds())
    assert 5 < pauses[0] <= 11 < 19 < pauses[1] <= 41
    Attempt.objects.update(created_at=timezone.now() - workflow.START_PATIENCE)
    workflow.dispatch([attempt.pk])
    attempt.refresh_from_db()
    assert (attempt.state, attempt.error_code) == (AttemptState.ERRORED, "GPU_UNAVAILABLE")
    assert modal_peer.book.calls == {}


def test_a_worker_whose_clock_is_fast_offers_a_start_as_long_as_others(
    job: Job,
    modal_peer: Peer,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    modal_peer.plays(Scenario.RESOURCE_EXHAUSTED)
    fast = timedelta(minutes=2)
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + fast)
    attempt = start(admit(job))
    assert attempt.state == AttemptState.PREPARED
    job.refresh_from_db()
    assert job.wake_at is not None
    assert job.wake_at - datetime.now(UTC) <= workflow.OUTAGE_PAUSE


@pytest.mark.parametrize("state", [AttemptState.QUEUED, AttemptState.PREPARED])
def test_what_was_not_started_may_not_report(
    make_job: Callable[..., Job], state: AttemptState
) -> None:
    attempt = admit(make_job())
    if state == AttemptState.PREPARED:
        workflow.prepare([attempt.pk])
    with pytest.raises(lifecycle.SupersededProblem):
        lifecycle.report_progress(attempt_id=attempt.pk, call_id="fc-x", progress=0.1)
    with pytest.raises(lifecycle.SupersededProblem):
        lifecycle.report_outcome(attempt_id=attempt.pk, call_id="fc-x", outcome=OUTCOME)
    attempt.refresh_from_db()
    assert attempt.state == state
