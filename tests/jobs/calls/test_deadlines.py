"""Deadlines start with the work, outages extend them, and a finished result has one of its own."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from auteur import metrics
from credits.models import CreditTransaction
from gpu_tasks.runtime.contract import Failure, Outcome
from gpu_tasks.runtime.errors import ErrorCode
from jobs import lifecycle
from jobs.calls.backends.base import CallState, CallStatus
from jobs.calls.deadlines import DELIVERY_LIMIT, OUTAGE_ALLOWANCE, START_GRACE
from jobs.errors import JobError
from jobs.features.registry import get_feature
from jobs.models import Attempt, Job, WorkerHeartbeat
from jobs.orchestrator import calls, due, repair
from jobs.states import COLLECT, DISPATCH, PREPARE, AttemptState
from tests.jobs.walk import OUTCOME, WORKER, bring_to

pytestmark = pytest.mark.django_db

RUN_LIMIT = get_feature("transcription").run_limit
HOLDING_A_RESULT = [AttemptState.COLLECTING, AttemptState.FINALIZING]
WITH_A_RESULT = [AttemptState.REPORTED, AttemptState.COLLECTED, *HOLDING_A_RESULT]


def count_undelivered() -> float:
    """Return the counter of `/metrics`."""
    [metric] = [m for m in metrics.Gauges().collect() if m.name == "auteur_undelivered_results"]
    [sample] = metric.samples
    assert sample.name == "auteur_undelivered_results_total"
    return sample.value


def orchestrate(job: Job) -> Job:
    """Run one round of the orchestrator for a job that is due."""
    Job.objects.filter(pk=job.pk, wake_at__isnull=False).update(
        wake_at=timezone.now() - timedelta(seconds=1)
    )
    due.claim_wake_ups()
    due.claim_polls()
    repair.reconcile()
    return Job.objects.select_related("attempt").get(pk=job.pk)


def dispatch(job: Job, call_id: str) -> Attempt:
    """Bring the job's queued attempt to a running call."""
    attempt = Attempt.objects.get(pk=str(job.attempt_id))
    for step in (PREPARE, DISPATCH):
        assert lifecycle.claim(step=step, attempt_ids=[attempt.pk], worker=WORKER)
        if step is PREPARE:
            values: dict[UUID, dict[str, Any]] = {attempt.pk: {"payload": {}}}
            lifecycle.finish(step=step, worker=WORKER, values=values)
    assert lifecycle.record_started_calls(call_ids={attempt.pk: call_id})
    return attempt


def report(attempt: Attempt, code: ErrorCode, call_id: str = "call-1") -> None:
    outcome = Outcome(error=Failure(code=code, message="Lost."))
    assert lifecycle.report_outcome(attempt_id=attempt.pk, call_id=call_id, outcome=outcome)


def seconds_left(job: Job) -> float:
    assert job.deadline_at is not None
    return (job.deadline_at - timezone.now()).total_seconds()


def test_a_job_that_nobody_tried_keeps_its_time_to_run(make_job: Callable[..., Job]) -> None:
    job = make_job()
    bring_to(job, AttemptState.PREPARED)
    Job.objects.update(start_deadline_at=timezone.now() - START_GRACE + timedelta(minutes=1))
    job = orchestrate(job)
    assert (job.status, job.deadline_at) == ("processing", None)
    assert dispatch_seconds(job) == pytest.approx(RUN_LIMIT.total_seconds(), abs=10)


def dispatch_seconds(job: Job) -> float:
    attempt = Attempt.objects.get(pk=str(job.attempt_id))
    lifecycle.claim(step=DISPATCH, attempt_ids=[attempt.pk], worker=WORKER)
    lifecycle.record_started_calls(call_ids={attempt.pk: "call-1"})
    job.refresh_from_db()
    return seconds_left(job)


@pytest.mark.parametrize("state", [AttemptState.QUEUED, AttemptState.PREPARED])
def test_a_job_that_is_never_dispatched_has_an_end(
    make_job: Callable[..., Job], state: AttemptState
) -> None:
    job = make_job()
    bring_to(job, state)
    Job.objects.update(start_deadline_at=timezone.now() - START_GRACE)
    job = orchestrate(job)
    assert (job.status, job.error_code) == ("failed", "DEADLINE_EXCEEDED")
    assert job.credits_refunded


@pytest.mark.parametrize("code", [ErrorCode.GPU_UNAVAILABLE, ErrorCode.STORAGE_ERROR])
def test_each_attempt_after_an_outage_has_all_its_time(
    make_job: Callable[..., Job], code: ErrorCode
) -> None:
    job = make_job()
    attempt = bring_to(job, AttemptState.RUNNING)
    Job.objects.update(deadline_at=timezone.now())  # it ran until its deadline, then was lost
    report(attempt, code)
    job = orchestrate(job)
    assert job.attempt is not None
    assert (job.status, job.attempt.number) == ("processing", 2)
    bound = (RUN_LIMIT + OUTAGE_ALLOWANCE).total_seconds()
    assert seconds_left(job) == pytest.approx(bound, abs=10)
    dispatch(job, "call-2")
    job.refresh_from_db()
    assert seconds_left(job) == pytest.approx(RUN_LIMIT.total_seconds(), abs=10)


@pytest.mark.parametrize(
    ("state", "left"),
    [(CallState.QUEUED, RUN_LIMIT), (CallState.RUNNING, timedelta(minutes=1))],
)
def test_a_call_in_a_queue_keeps_its_time_to_run(
    make_job: Callable[..., Job], state: CallState, left: timedelta
) -> None:
    """Its message was lost with Redis: what runs it begins later."""
    job = make_job()
    extend(bring_to(job, AttemptState.RUNNING), state)
    job.refresh_from_db()
    assert seconds_left(job) == pytest.approx(left.total_seconds(), abs=10)


def test_a_queue_does_not_extend_a_job_for_ever(make_job: Callable[..., Job]) -> None:
    job = make_job()
    attempt = bring_to(job, AttemptState.RUNNING)
    minute = timedelta(minutes=1)
    first_dispatch = timezone.now() - OUTAGE_ALLOWANCE - RUN_LIMIT + minute / 2
    Attempt.objects.update(dispatched_at=first_dispatch)
    extend(attempt, CallState.QUEUED)
    job.refresh_from_db()
    assert seconds_left(job) == pytest.approx(minute.total_seconds(), abs=10)  # not less, either


def extend(attempt: Attempt, state: CallState) -> None:
    """Poll a call of which this is known, a minute before its deadline."""
    Job.objects.update(deadline_at=timezone.now() + timedelta(minutes=1))
    calls._extend_calls([attempt], {attempt.call_id or "": CallStatus(state)}, 3.0)


def test_outages_do_not_extend_a_job_for_ever(make_job: Callable[..., Job]) -> None:
    job = make_job()
    attempt = bring_to(job, AttemptState.RUNNING)
    Attempt.objects.update(dispatched_at=timezone.now() - RUN_LIMIT - OUTAGE_ALLOWANCE)
    report(attempt, ErrorCode.STORAGE_ERROR)
    job = orchestrate(job)
    assert (job.status, job.error_code) == ("failed", "STORAGE_ERROR")
    assert job.credits_refunded


def test_a_machine_that_is_lost_while_it_runs_the_call_counts(
    make_job: Callable[..., Job],
) -> None:
    job = make_job()
    attempt = bring_to(job, AttemptState.RUNNING)
    report(attempt, ErrorCode.GPU_UNAVAILABLE)
    for number in (2, 3):
        job = orchestrate(job)
        call_id = f"call-{number}"
        report(dispatch(job, call_id), ErrorCode.GPU_UNAVAILABLE, call_id)
    job = orchestrate(job)
    assert (job.status, job.error_code) == ("failed", "GPU_UNAVAILABLE")
    assert Attempt.objects.count() == get_feature("transcription").max_attempts


def test_results_that_cannot_be_used_count(make_job: Callable[..., Job]) -> None:
    job = make_job()
    attempt = bring_to(job, AttemptState.COLLECTING)
    error = JobError.of(ErrorCode.STORAGE_ERROR)
    for number in (2, 3, 4):
        lifecycle.mark_errored(attempt_id=attempt.pk, error=error, states=[COLLECT.holds])
        job = orchestrate(job)
        if number < 4:
            attempt = dispatch(job, f"call-{number}")
            lifecycle.report_outcome(
                attempt_id=attempt.pk, call_id=f"call-{number}", outcome=OUTCOME
            )
            lifecycle.claim(step=COLLECT, attempt_ids=[attempt.pk], worker=WORKER)
    assert (job.status, Attempt.objects.count()) == ("failed", 3)


# --- Results ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", WITH_A_RESULT)
def test_a_result_is_not_thrown_away_by_the_run_deadline(
    make_job: Callable[..., Job], state: AttemptState
) -> None:
    WorkerHeartbeat.objects.create(name=WORKER)
    job = make_job()
    bring_to(job, state)
    Job.objects.update(deadline_at=timezone.now() - timedelta(days=2))
    job = orchestrate(job)
    assert job.attempt is not None
    assert (job.status, job.attempt.state) == ("processing", state)


@pytest.mark.parametrize("state", [AttemptState.REPORTED, AttemptState.COLLECTED])
def test_a_result_that_cannot_be_delivered_has_an_end(
    make_job: Callable[..., Job], state: AttemptState, caplog: pytest.LogCaptureFixture
) -> None:
    job = make_job()
    bring_to(job, state)
    Attempt.objects.update(reported_at=timezone.now() - DELIVERY_LIMIT)
    with caplog.at_level(logging.ERROR, logger="jobs.orchestrator.repair"):
        job = orchestrate(job)
    assert (job.status, job.error_code) == ("failed", "STORAGE_ERROR")
    assert CreditTransaction.objects.filter(job=job, type="refund").count() == 1
    assert str(job.pk) in caplog.text
    assert count_undelivered() == 1


def test_undelivered_results_are_counted_for_ever(make_job: Callable[..., Job]) -> None:
    assert count_undelivered() == 0
    jobs = [make_job() for _ in range(3)]
    for job in jobs:
        bring_to(job, AttemptState.REPORTED)
    late = timezone.now() - DELIVERY_LIMIT
    Attempt.objects.exclude(job=jobs[2]).update(reported_at=late)
    repair.reconcile()
    assert count_undelivered() == 2
    Attempt.objects.filter(job=jobs[2]).update(reported_at=late)
    orchestrate(jobs[2])
    assert count_undelivered() == 3


@pytest.mark.parametrize("state", HOLDING_A_RESULT)
def test_a_result_is_not_given_up_while_a_worker_delivers_it(
    make_job: Callable[..., Job], state: AttemptState
) -> None:
    worker = WorkerHeartbeat.objects.create(name=WORKER)
    job = make_job()
    bring_to(job, state)
    Attempt.objects.update(reported_at=timezone.now() - DELIVERY_LIMIT)
    job = orchestrate(job)
    assert job.attempt is not None
    assert (job.status, job.attempt.state) == ("processing", state)
    worker.delete()  # the worker is lost: first it loses the attempt, then the job ends
    for _ in range(2):
        job = orchestrate(job)
    assert (job.status, job.error_code) == ("failed", "STORAGE_ERROR")
