"""What the orchestrator decides about due jobs: publish, repair, retry, give up."""

import threading
import uuid
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.db.models.functions import Now
from django.utils import timezone

from credits.models import CreditTransaction
from gpu_tasks.runtime.contract import EngineInfo, Failure, GpuClass, Outcome
from gpu_tasks.runtime.errors import POLICIES, ErrorCode
from jobs import lifecycle
from jobs.calls.backends.base import CallState
from jobs.calls.backends.models import LocalCall, LocalCallState
from jobs.calls.capacity import class_limit
from jobs.errors import JobError
from jobs.features.registry import get_feature
from jobs.heartbeat import LOST_AFTER
from jobs.models import Attempt, Job, WorkerHeartbeat
from jobs.orchestrator import admission, calls, due, loop, repair
from jobs.publishing import WakeUp
from jobs.states import COLLECT, DISPATCH, PREPARE, AttemptState
from tests.jobs.walk import OUTCOME, WORKER, admit, bring_to

TRANSCRIPTION_QUEUE = "jobs.transcription"


@pytest.fixture
def living_worker(db):
    return WorkerHeartbeat.objects.create(name=WORKER)


def make_due(job):
    Job.objects.filter(pk=job.pk).update(wake_at=timezone.now() - timedelta(seconds=1))


@dataclass
class Seen:
    """What the loops found to do about one due job."""

    wake_ups: list[WakeUp]
    running: list[uuid.UUID]


def look_at(job):
    make_due(job)
    woken, running = due.claim_wake_ups(), due.claim_polls()
    repair.reconcile()
    job.refresh_from_db()
    return Seen(woken, running)


def seconds_until_wake(job):
    return (job.wake_at - timezone.now()).total_seconds()


def mark_errored(attempt, code, state=AttemptState.RUNNING):
    assert lifecycle.mark_errored(attempt_id=attempt.pk, error=JobError.of(code), states=[state])


# --- Admission --------------------------------------------------------------------------------


def test_admission_gives_an_attempt_and_no_deadline_yet(make_job):
    job = make_job()
    attempt = admit(job)
    assert (attempt.number, attempt.state, attempt.backend) == (1, "queued", "local")
    assert (attempt.engine, attempt.gpu_class) == ("draft", "CPU")
    assert job.deadline_at is None
    assert admission.admit_all() == 0


def test_admission_stops_at_the_class_limit_and_goes_on_when_a_place_is_free(
    make_job, user, make_media
):
    limit = class_limit(GpuClass.CPU)
    jobs = [make_job() for _ in range(limit + 1)]
    assert admission.admit_all() == limit
    assert admission.admit_all() == 0
    waiting = Job.objects.get(attempt=None)
    assert waiting.pk == jobs[-1].pk  # the oldest go first
    lifecycle.cancel(job_id=jobs[0].pk, by="user")
    assert admission.admit_all() == 1


# --- Publishing and lost messages -------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "queue"),
    [
        (AttemptState.QUEUED, TRANSCRIPTION_QUEUE),
        (AttemptState.PREPARED, TRANSCRIPTION_QUEUE),
        (AttemptState.REPORTED, "jobs.completed"),
        (AttemptState.COLLECTED, "jobs.completed"),
    ],
)
def test_what_waits_is_published_and_again_if_nobody_claims_it(make_job, state, queue):
    job = make_job()
    attempt = bring_to(job, state)
    pauses = []
    for _ in range(3):
        [wake_up] = look_at(job).wake_ups
        assert (wake_up.attempt_id, wake_up.state, wake_up.queue) == (attempt.pk, state, queue)
        pauses.append(round(seconds_until_wake(job)))
    assert pauses == [5, 10, 15]


def test_what_is_not_due_is_left_alone(make_job):
    job = make_job()
    bring_to(job, AttemptState.QUEUED)
    look_at(job)
    assert (due.claim_wake_ups(), due.claim_polls(), repair.reconcile().seen) == ([], [], 0)


# --- Lost workers -----------------------------------------------------------------------------


def test_a_living_holder_keeps_its_attempt(make_job, living_worker):
    job = make_job()
    attempt = bring_to(job, AttemptState.PREPARING)
    results = look_at(job)
    attempt.refresh_from_db()
    assert (attempt.state, results.wake_ups) == (AttemptState.PREPARING, [])


@pytest.mark.parametrize(
    ("state", "goes_back_to"),
    [
        (AttemptState.PREPARING, AttemptState.QUEUED),
        (AttemptState.COLLECTING, AttemptState.REPORTED),
        (AttemptState.FINALIZING, AttemptState.COLLECTED),
    ],
)
def test_a_lost_worker_costs_no_attempt_where_the_step_can_be_repeated(
    make_job, state, goes_back_to
):
    job = make_job()
    attempt = bring_to(job, state)  # its worker has never shown a heartbeat
    look_at(job)
    attempt.refresh_from_db()
    assert (attempt.state, attempt.crash_count) == (goes_back_to, 1)
    assert seconds_until_wake(job) <= 0


@pytest.mark.usefixtures("long_watch")
def test_a_worker_unseen_for_too_long_is_lost(make_job, living_worker):
    job = make_job()
    attempt = bring_to(job, AttemptState.COLLECTING)
    WorkerHeartbeat.objects.update(beat_at=Now() - LOST_AFTER)
    look_at(job)
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.REPORTED


@pytest.mark.usefixtures("long_watch")
def test_a_holder_that_lives_but_outstays_its_lease_loses_it(make_job, living_worker):
    job = make_job()
    attempt = bring_to(job, AttemptState.COLLECTING)
    Attempt.objects.update(lease_expires_at=timezone.now())
    look_at(job)
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.REPORTED


def test_an_attempt_that_kills_its_workers_is_given_up(make_job):
    job = make_job()
    attempt = bring_to(job, AttemptState.COLLECTING)
    Attempt.objects.update(crash_count=repair.MAX_CRASHES - 1)
    look_at(job)
    attempt.refresh_from_db()
    assert (attempt.state, attempt.error_code) == (AttemptState.ERRORED, "MODEL_ERROR")


def test_a_worker_lost_while_starting_a_call_costs_the_attempt(make_job):
    job = make_job()
    old = bring_to(job, AttemptState.DISPATCHING)
    look_at(job)
    look_at(job)
    old.refresh_from_db()
    assert job.attempt_id != old.pk
    assert (job.attempt.number, job.attempt.state, old.state) == (2, "queued", "failed")
    assert old.stop_requested_at is not None
    assert seconds_until_wake(job) == pytest.approx(repair.RETRY_PAUSE.total_seconds(), abs=1)


# --- Retries and the end ----------------------------------------------------------------------


@pytest.mark.parametrize("code", [c for c in ErrorCode if POLICIES[c].retried])
def test_infrastructure_errors_are_retried_beyond_the_features_limit(make_job, code):
    job = make_job()
    bring_to(job, AttemptState.RUNNING)
    assert POLICIES[code].infrastructure
    for number in range(2, repair.MAX_INFRASTRUCTURE_ATTEMPTS + 1):
        mark_errored(job.attempt or Attempt.objects.get(), code, job_state(job))
        assert look_at(job).wake_ups == []
        assert job.attempt.number == number
    pause = repair.MAX_RETRY_PAUSE.total_seconds()
    assert pause * (1 - repair.RETRY_JITTER) - 1 < seconds_until_wake(job) < pause * 1.25
    mark_errored(job.attempt, code, AttemptState.QUEUED)
    assert look_at(job).wake_ups == []
    assert (job.status, job.error_code, job.credits_refunded) == ("failed", code, True)


def test_calls_that_begin_although_their_start_is_unanswered_do_not_count(make_job):
    job = make_job()
    bring_to(job, AttemptState.DISPATCHING)
    for number in range(1, get_feature(job.type).max_attempts + 2):
        job.refresh_from_db()
        attempt = job.attempt
        Attempt.objects.filter(pk=attempt.pk).update(
            state=AttemptState.DISPATCHING, worker=WORKER, lease_expires_at=Now() + LOST_AFTER
        )
        lifecycle.report_progress(attempt_id=attempt.pk, call_id=f"fc-{number}", progress=0.5)
        mark_errored(attempt, ErrorCode.GPU_UNAVAILABLE, AttemptState.DISPATCHING)
        assert look_at(job).wake_ups == []
        assert job.attempt.number == number + 1


def job_state(job):
    job.refresh_from_db()
    return job.attempt.state


@pytest.mark.parametrize("code", [c for c in ErrorCode if not POLICIES[c].retried])
def test_the_orchestrator_fails_a_job_at_once_for_other_errors(make_job, code):
    job = make_job()
    mark_errored(bring_to(job, AttemptState.RUNNING), code)
    assert look_at(job).wake_ups == []
    assert (job.status, job.error_code, job.attempt.number) == ("failed", code, 1)
    assert job.credits_refunded
    assert CreditTransaction.objects.filter(job=job, type="refund").count() == 1


def test_a_job_fails_with_a_refund_while_the_broker_is_away(make_job, settings):
    job = make_job()
    mark_errored(bring_to(job, AttemptState.RUNNING), ErrorCode.GPU_OOM)
    make_due(job)
    settings.BROKER_URL = settings.REDIS_URL = "redis://127.0.0.1:1/0"
    loop.decide()
    job.refresh_from_db()
    assert (job.status, job.error_code, job.credits_refunded) == ("failed", "GPU_OOM", True)


def test_a_job_past_its_deadline_fails_with_a_refund(make_job):
    job = make_job()
    bring_to(job, AttemptState.RUNNING)
    Job.objects.update(deadline_at=timezone.now())
    look_at(job)
    assert (job.status, job.error_code) == ("failed", "DEADLINE_EXCEEDED")
    assert CreditTransaction.objects.filter(job=job, type="refund").count() == 1


def test_a_job_never_started_in_time_fails(make_job):
    late, early = make_job(), make_job()
    Job.objects.filter(pk=late.pk).update(start_deadline_at=timezone.now())
    loop.sweep()
    late.refresh_from_db()
    early.refresh_from_db()
    assert (late.status, late.error_code) == ("failed", "DEADLINE_EXCEEDED")
    assert early.status == "pending"


def test_a_job_of_an_unknown_feature_does_not_stop_the_others(make_job):
    strange, good = make_job(), make_job()
    bring_to(strange, AttemptState.QUEUED)
    bring_to(good, AttemptState.QUEUED)
    Job.objects.filter(pk=strange.pk).update(type="no_longer_declared")
    make_due(strange)
    results = look_at(good)
    assert [w.attempt_id for w in results.wake_ups] == [good.attempt_id]
    strange.refresh_from_db()
    assert seconds_until_wake(strange) > 0


def test_a_job_of_an_unknown_feature_past_its_deadline_gets_its_credits_back(make_job):
    job = make_job()
    bring_to(job, AttemptState.QUEUED)
    Job.objects.update(type="no_longer_declared", deadline_at=timezone.now())
    look_at(job)
    assert (job.status, job.error_code) == ("failed", "DEADLINE_EXCEEDED")
    assert CreditTransaction.objects.filter(job=job, type="refund").count() == 1


# --- Calls ------------------------------------------------------------------------------------


@pytest.fixture
def running(make_job):
    """A job whose call is a row of the local backend."""
    job = make_job()
    attempt = bring_to(job, AttemptState.RUNNING)
    call = LocalCall.objects.create(
        id=uuid.uuid4(),
        attempt_id=attempt.pk,
        function="transcription",
        engine="draft",
        queue="gpu.cpu",
        payload={},
        state=LocalCallState.RUNNING,
        worker="w",
        lease_expires_at=timezone.now() + timedelta(seconds=8),
    )
    Attempt.objects.filter(pk=attempt.pk).update(call_id=str(call.pk))
    job.refresh_from_db()
    return job, call


def poll(job):
    make_due(job)
    calls.follow()
    job.refresh_from_db()
    return job.attempt.state


def test_a_running_call_is_asked_after_again_later(running):
    job, _ = running
    assert poll(job) == AttemptState.RUNNING
    assert 0 < seconds_until_wake(job) < 6


def test_an_outcome_whose_callback_was_lost_is_found(running):
    job, call = running
    engine = EngineInfo(name="draft", model="m")
    outcome = Outcome(error=Failure(code=ErrorCode.INPUT_INVALID, message="No."), engine=engine)
    LocalCall.objects.filter(pk=call.pk).update(
        state=LocalCallState.DONE, outcome=outcome.model_dump(mode="json")
    )
    assert poll(job) == AttemptState.ERRORED
    assert job.attempt.error_message == "No."


@pytest.mark.usefixtures("long_watch")
def test_a_call_with_an_expired_lease_is_lost_and_retried(running):
    job, call = running
    LocalCall.objects.filter(pk=call.pk).update(lease_expires_at=timezone.now())
    assert poll(job) == AttemptState.ERRORED
    assert job.attempt.error_code == "GPU_UNAVAILABLE"
    look_at(job)
    assert job.attempt.number == 2


def test_a_call_beyond_its_time_limit_is_stopped(running):
    job, call = running
    Attempt.objects.update(lease_expires_at=timezone.now())
    assert poll(job) == AttemptState.ERRORED
    assert job.attempt.error_code == "GPU_TIMEOUT"
    call.refresh_from_db()
    assert call.state == LocalCallState.CANCELLED
    assert calls.stop_unwanted() == 0


def test_a_cancelled_jobs_call_is_stopped(running):
    job, call = running
    lifecycle.cancel(job_id=job.pk, by="user")
    calls.stop_unwanted()
    call.refresh_from_db()
    assert call.state == LocalCallState.CANCELLED


def test_a_stop_whose_call_never_became_known_is_forgotten_in_the_end(make_job):
    job = make_job()
    attempt = bring_to(job, AttemptState.DISPATCHING)
    lifecycle.cancel(job_id=job.pk, by="user")
    calls.stop_unwanted()
    attempt.refresh_from_db()
    assert attempt.stopped_at is None
    Attempt.objects.update(stop_requested_at=timezone.now() - calls.STOP_FORGOTTEN_AFTER)
    calls.stop_unwanted()
    attempt.refresh_from_db()
    assert attempt.stopped_at is not None


def test_repeatable_steps_are_those_without_an_effect_outside():
    assert [step.repeatable for step in (PREPARE, DISPATCH, COLLECT)] == [True, False, True]


@pytest.mark.django_db(transaction=True)
def test_a_poll_that_waits_for_a_report_does_not_put_it_off(make_job):
    job = make_job()
    attempt = bring_to(job, AttemptState.RUNNING)

    def poll_late():
        lifecycle.extend_calls(
            attempt_ids=[attempt.pk], seconds=60, waiting=False, now=CallState.RUNNING
        )
        connections.close_all()

    with transaction.atomic():
        lifecycle.report_outcome(attempt_id=attempt.pk, call_id="call-1", outcome=OUTCOME)
        late = threading.Thread(target=poll_late)
        late.start()
        late.join(0.5)  # it is behind our lock now
        assert late.is_alive()
    late.join()
    job.refresh_from_db()
    assert seconds_until_wake(job) <= 0


def test_a_stop_that_is_refused_is_tried_later_each_time_and_given_up_in_the_end(running, settings):
    job, _ = running
    settings.MODAL_TOKEN_ID = ""  # nothing can be asked of it
    Attempt.objects.update(backend="modal")
    lifecycle.cancel(job_id=job.pk, by="user")
    pauses = []
    for ago in (timedelta(0), timedelta(minutes=8), timedelta(hours=9)):
        now = timezone.now()
        Attempt.objects.update(finished_at=now - ago, stop_requested_at=now)
        assert calls.stop_unwanted() == 0
        attempt = Attempt.objects.get()
        assert attempt.stopped_at is None
        pauses.append(round((attempt.stop_requested_at - now).total_seconds() / 10) * 10)
    assert pauses == [20, 120, 300]
    Attempt.objects.update(
        finished_at=timezone.now() - calls.STOP_GIVEN_UP_AFTER, stop_requested_at=timezone.now()
    )
    calls.stop_unwanted()
    assert Attempt.objects.get().stopped_at is not None


def test_a_round_of_decisions_holds_few_accounts(make_job, monkeypatch):
    monkeypatch.setattr(repair, "DECIDED_AT_ONCE", 2)
    jobs = [make_job() for _ in range(5)]
    for job in jobs:
        bring_to(job, AttemptState.RUNNING)
    Job.objects.update(deadline_at=timezone.now(), wake_at=timezone.now())
    assert [repair.reconcile().seen for _ in range(4)] == [2, 2, 1, 0]


def test_the_sweep_reads_only_what_is_late(make_job):
    job = make_job()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO jobs (user_id, type, gpu_class, rank, media_ids, credits_cost,"
            " price_version, start_deadline_at)"
            " SELECT %s, 'noop', 'CPU', n, '{}', 0, 'x', now() + interval '1 day'"
            " FROM generate_series(1, 5000) AS n",
            [job.user_id],
        )
        cursor.execute("ANALYZE jobs")
    plan = loop.late_jobs().explain()
    # By a plain or a bitmap scan, as the planner likes: either reads late jobs alone.
    assert "jobs_pending_deadlines" in plan
    assert "Index Cond: (start_deadline_at <= statement_timestamp())" in plan
    assert "Seq Scan" not in plan
