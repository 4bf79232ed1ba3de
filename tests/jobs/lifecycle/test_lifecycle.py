"""Transitions: who wins, what it costs, and what comes too late."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from auteur.core.api.problems import NotFoundProblem
from credits import ledger
from credits.models import CreditTransaction
from gpu_tasks.runtime.contract import Failure, Outcome
from gpu_tasks.runtime.errors import ErrorCode
from jobs import lifecycle
from jobs.errors import JobError
from jobs.features.registry import get_feature
from jobs.models import Attempt, Event, Job
from jobs.states import COLLECT, FINALIZE, OPEN, PREPARE, AttemptState, JobStatus
from tests.jobs.walk import OUTCOME, RESULT, WORKER, admit, bring_to

OOM = JobError.of(ErrorCode.GPU_OOM)


def ledger_of(job):
    return list(
        CreditTransaction.objects.filter(job=job).order_by("seq").values_list("type", "amount")
    )


def events_of(job):
    return list(Event.objects.filter(job=job).order_by("id").values_list("type", flat=True))


def test_the_whole_way(user, make_job):
    job = make_job(minutes=10)
    bring_to(job, AttemptState.COMPLETED)
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED
    assert job.output_data == RESULT
    assert (job.progress, job.wake_at, job.modal_task_id) == (1.0, None, "call-1")
    assert job.started_at <= job.completed_at
    assert ledger_of(job) == [("usage", -5)]
    assert ledger.get_balance(user_id=user.pk) == 95
    assert events_of(job) == ["requested", "started", "completed"]


def test_processing_begins_with_the_first_claim(make_job):
    job = make_job()
    attempt = admit(job)
    assert job.status == JobStatus.PENDING
    lifecycle.claim(step=PREPARE, attempt_ids=[attempt.pk], worker=WORKER)
    job.refresh_from_db()
    assert job.status == JobStatus.PROCESSING


def test_a_claim_is_won_once(make_job):
    attempt = bring_to(make_job(), AttemptState.QUEUED)
    first = lifecycle.claim(step=PREPARE, attempt_ids=[attempt.pk], worker="one")
    second = lifecycle.claim(step=PREPARE, attempt_ids=[attempt.pk], worker="two")
    assert [a.pk for a in first] == [attempt.pk]
    assert second == []


def test_who_lost_the_claim_cannot_release(make_job):
    attempt = bring_to(make_job(), AttemptState.PREPARING)
    lost = lifecycle.finish(
        step=PREPARE, worker="another", values={attempt.pk: {"payload": {"x": 1}}}
    )
    attempt.refresh_from_db()
    assert lost == []
    assert (attempt.state, attempt.payload) == (AttemptState.PREPARING, None)


def test_complete_needs_the_holder(make_job):
    attempt = bring_to(make_job(), AttemptState.FINALIZING)
    assert lifecycle.complete(attempt_ids=[attempt.pk], worker="another") == []
    assert Job.objects.get(pk=attempt.job_id).status == JobStatus.PROCESSING


def test_fail_refunds_once_however_often_it_is_called(user, make_job):
    job = make_job(minutes=10)
    attempt = bring_to(job, AttemptState.RUNNING)
    lifecycle.mark_errored(attempt_id=attempt.pk, error=OOM, states=[AttemptState.RUNNING])
    results = [lifecycle.fail(attempt_id=attempt.pk, error=OOM) for _ in range(3)]
    job.refresh_from_db()
    assert results == [True, False, False]
    assert (job.status, job.error_code, job.credits_refunded) == ("failed", "GPU_OOM", True)
    assert ledger_of(job) == [("usage", -5), ("refund", 5)]
    assert ledger.get_balance(user_id=user.pk) == 100


@pytest.mark.django_db(transaction=True)
def test_complete_fail_and_cancel_at_once_give_one_end(user, make_job):
    for _ in range(10):
        job = make_job()
        attempt = bring_to(job, AttemptState.FINALIZING)
        ends = [
            lambda a=attempt: lifecycle.complete(attempt_ids=[a.pk], worker=WORKER),
            lambda a=attempt: lifecycle.fail(
                attempt_id=a.pk, error=OOM, states=[AttemptState.FINALIZING]
            ),
            lambda j=job: lifecycle.cancel(job_id=j.pk, by="user"),
        ]

        def run(end):
            try:
                end()
            except lifecycle.JobFinishedProblem:
                pass
            finally:
                connections.close_all()

        threads = [threading.Thread(target=run, args=(end,)) for end in ends]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        job.refresh_from_db()
        refunded = [("refund", 1)] if job.status == JobStatus.FAILED else []
        assert job.status in (JobStatus.COMPLETED, JobStatus.FAILED)
        assert ledger_of(job) == [("usage", -1), *refunded]


@pytest.mark.parametrize(
    "state",
    [
        AttemptState.QUEUED,
        AttemptState.PREPARING,
        AttemptState.PREPARED,
        AttemptState.DISPATCHING,
        AttemptState.RUNNING,
        AttemptState.REPORTED,
    ],
)
def test_cancel_until_the_result_is_collected(user, make_job, state):
    job = make_job()
    bring_to(job, state)
    cancelled = lifecycle.cancel(job_id=job.pk, by="user")
    assert (cancelled.status, cancelled.error_code) == ("cancelled", "CANCELLED")
    assert ledger_of(job) == [("usage", -1), ("refund", 1)]
    with pytest.raises(lifecycle.JobFinishedProblem):
        lifecycle.cancel(job_id=job.pk, by="user")


@pytest.mark.parametrize(
    "state", [AttemptState.COLLECTING, AttemptState.COLLECTED, AttemptState.FINALIZING]
)
def test_cancel_comes_too_late_once_collecting(make_job, state):
    job = make_job()
    bring_to(job, state)
    with pytest.raises(lifecycle.JobFinishedProblem):
        lifecycle.cancel(job_id=job.pk, by="user")
    assert ledger_of(job) == [("usage", -1)]


def test_cancel_a_job_that_nobody_admitted_yet(make_job):
    job = make_job()
    assert lifecycle.cancel(job_id=job.pk, by="user").status == JobStatus.CANCELLED


def test_cancel_while_spawning_stops_the_call_when_its_id_is_known(make_job):
    job = make_job()
    attempt = bring_to(job, AttemptState.DISPATCHING)
    lifecycle.cancel(job_id=job.pk, by="user")
    assert not lifecycle.record_started_calls(call_ids={attempt.pk: "late"})
    attempt.refresh_from_db()
    assert (attempt.call_id, attempt.stopped_at) == ("late", None)
    assert attempt.stop_requested_at is not None


def test_a_report_may_come_before_the_call_id_is_saved(make_job):
    attempt = bring_to(make_job(), AttemptState.DISPATCHING)
    assert lifecycle.report_outcome(attempt_id=attempt.pk, call_id="c", outcome=OUTCOME)
    assert not lifecycle.record_started_calls(call_ids={attempt.pk: "c"})
    attempt.refresh_from_db()
    assert (attempt.state, attempt.call_id) == (AttemptState.REPORTED, "c")


def test_reports_of_a_superseded_attempt_are_refused(make_job):
    job = make_job()
    old = bring_to(job, AttemptState.RUNNING)
    lifecycle.requeue_job(job_id=job.pk, by="staff")
    for report in (
        lambda: lifecycle.report_outcome(attempt_id=old.pk, call_id="call-1", outcome=OUTCOME),
        lambda: lifecycle.report_progress(attempt_id=old.pk, call_id="call-1", progress=0.5),
    ):
        with pytest.raises(lifecycle.SupersededProblem):
            report()
    old.refresh_from_db()
    assert (old.state, old.outcome) == (AttemptState.FAILED, None)
    assert old.stop_requested_at is not None


def test_a_second_call_of_the_same_attempt_is_told_to_stop(make_job):
    attempt = bring_to(make_job(), AttemptState.RUNNING)
    with pytest.raises(lifecycle.SupersededProblem):
        lifecycle.report_progress(attempt_id=attempt.pk, call_id="call-2", progress=0.5)


def test_an_unknown_attempt_is_not_found(db):
    with pytest.raises(NotFoundProblem):
        lifecycle.report_progress(attempt_id=uuid.uuid4(), call_id="c", progress=0.5)


def test_an_outcome_is_stored_once(make_job):
    attempt = bring_to(make_job(), AttemptState.RUNNING)
    failure = Outcome(error=Failure(code=ErrorCode.GPU_OOM, message="too big"))
    assert lifecycle.report_outcome(attempt_id=attempt.pk, call_id="call-1", outcome=OUTCOME)
    assert not lifecycle.report_outcome(attempt_id=attempt.pk, call_id="call-1", outcome=failure)
    attempt.refresh_from_db()
    assert (attempt.state, attempt.error_code) == (AttemptState.REPORTED, None)


def test_progress_never_goes_back(make_job):
    job = make_job()
    attempt = bring_to(job, AttemptState.RUNNING)
    for share in (0.3, 0.7, 0.5):
        lifecycle.report_progress(attempt_id=attempt.pk, call_id="call-1", progress=share)
        Attempt.objects.update(progress_at=None)  # as if it were long ago
    job.refresh_from_db()
    assert job.progress == pytest.approx(0.7)


def test_an_old_attempts_crash_does_not_end_the_job(make_job):
    job = make_job()
    old = bring_to(job, AttemptState.PREPARING)
    new = lifecycle.requeue_job(job_id=job.pk, by="staff", reason="stuck")
    assert not lifecycle.fail(
        attempt_id=old.pk, error=OOM, states=[AttemptState.PREPARING, AttemptState.FAILED]
    )
    job.refresh_from_db()
    assert (job.attempt_id, new.number, job.status) == (new.pk, 2, "processing")
    assert Event.objects.filter(job=job, type="requeued", data__by="staff").exists()


def test_requeue_is_refused_for_an_ended_job(make_job):
    job = make_job()
    bring_to(job, AttemptState.COMPLETED)
    with pytest.raises(lifecycle.JobFinishedProblem):
        lifecycle.requeue_job(job_id=job.pk, by="staff")


def test_put_back_lets_another_worker_take_the_step(make_job):
    attempt = bring_to(make_job(), AttemptState.COLLECTING)
    lifecycle.requeue(
        step=COLLECT, attempt_ids=[attempt.pk], after=timedelta(seconds=5), crashed=True
    )
    attempt.refresh_from_db()
    job = Job.objects.get(pk=attempt.job_id)
    assert (attempt.state, attempt.crash_count, attempt.worker) == (AttemptState.REPORTED, 1, None)
    assert job.wake_at is not None
    assert timezone.now() < job.wake_at < timezone.now() + timedelta(seconds=6)
    assert lifecycle.claim(step=COLLECT, attempt_ids=[attempt.pk], worker="two")


def test_give_up_ends_a_waiting_job_but_not_a_delivery(make_job):
    waiting, delivering = make_job(), make_job()
    bring_to(delivering, AttemptState.COLLECTED)
    assert lifecycle.expire(job_id=waiting.pk)
    assert not lifecycle.expire(job_id=delivering.pk)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.error_code) == ("failed", "DEADLINE_EXCEEDED")


def test_a_job_on_the_house_is_not_refunded(user, make_job):
    job = make_job()
    Job.objects.filter(pk=job.pk).update(credits_cost=0)
    assert lifecycle.cancel(job_id=job.pk, by="user").credits_refunded is False
    assert ledger_of(job) == [("usage", -1)]


# --- What the database keeps by itself --------------------------------------------------------


@pytest.mark.parametrize("status", [s for s in JobStatus if s != JobStatus.COMPLETED])
def test_an_ended_job_never_changes_status(make_job, status):
    job = make_job()
    bring_to(job, AttemptState.COMPLETED)
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(
            status=status,
            wake_at=timezone.now() if status in OPEN else None,
            completed_at=None if status in OPEN else timezone.now(),
            error_code="x",
            error_message="x",
        )


def test_an_open_job_always_has_a_wake_at(make_job):
    job = make_job()
    with pytest.raises(IntegrityError, match="jobs_wake_while_open"), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(wake_at=None)


def test_a_refund_flag_needs_an_end_without_result(make_job):
    job = make_job()
    with pytest.raises(IntegrityError, match="refunded_were_charged"), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(credits_refunded=True)


def test_attempt_numbers_are_unique(make_job):
    attempt = bring_to(make_job(), AttemptState.QUEUED)
    with pytest.raises(IntegrityError, match="attempts_number"), transaction.atomic():
        Attempt.objects.create(
            job_id=attempt.job_id, number=1, backend="local", engine="draft", gpu_class="CPU"
        )


def test_a_claimed_attempt_names_its_worker(make_job):
    attempt = bring_to(make_job(), AttemptState.FINALIZING)
    assert attempt.worker == WORKER
    with pytest.raises(IntegrityError, match="claimed_are_held"), transaction.atomic():
        Attempt.objects.filter(pk=attempt.pk, state=FINALIZE.holds).update(worker=None)


def test_a_call_has_all_its_time_from_when_it_begins(make_job):
    attempt = bring_to(make_job(), AttemptState.RUNNING)
    soon = timezone.now() + timedelta(seconds=1)
    Attempt.objects.filter(pk=attempt.pk).update(lease_expires_at=soon)
    lifecycle.report_progress(attempt_id=attempt.pk, call_id="call-1", progress=0.0)
    attempt.refresh_from_db()
    begun = attempt.lease_expires_at
    assert begun > soon + timedelta(
        seconds=get_feature("transcription").contract.time_limit_seconds
    )
    lifecycle.report_progress(attempt_id=attempt.pk, call_id="call-1", progress=0.5)
    lifecycle.report_progress(attempt_id=attempt.pk, call_id="call-1", progress=0.0)
    attempt.refresh_from_db()
    assert attempt.lease_expires_at == begun
