"""Every transition of a job and its attempts: `Job.status` and `Attempt.state` change here only.

Each function locks the job's row first (so the job is the lock of all its attempts, and credits
come after it), checks that the attempt is still the job's current one and in the expected state,
and only then writes. Who comes late changes nothing and is told so by the return value. Money is
settled in the transaction that ends the job.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from auteur.api.problems import NotFound, Problem
from credits import ledger
from gpu_tasks.contract import Outcome
from gpu_tasks.errors import ErrorCode
from jobs.errors import JobError
from jobs.features.base import Feature
from jobs.features.registry import feature_of
from jobs.models import (
    CLAIMED,
    DELIVERING,
    ENDED,
    IN_POOL,
    OPEN,
    Attempt,
    AttemptState,
    Event,
    Job,
    JobStatus,
)
from jobs.refunds import give_back_unused
from jobs.steps import Step
from jobs.wakeup import nudge_on_commit

logger = logging.getLogger(__name__)

STEP_LEASE = timedelta(seconds=60)
"""Longest that a worker may hold an attempt for a step."""
CLAIM_CHECK = timedelta(seconds=8)
"""How soon after a claim the orchestrator looks whether the worker still lives."""
NEXT_STEP_WITHIN = timedelta(seconds=10)
"""How soon the next step's message must have been claimed, before it is sent again."""
CALL_GRACE = timedelta(seconds=60)
"""What a call gets beyond its time limit, to start and to report."""
SPAWNED = (AttemptState.DISPATCHING, AttemptState.RUNNING)


class JobFinished(Problem):
    """Too late: the job has ended, or its result is being delivered."""

    status_code = 409
    default_code = "job_finished"
    default_detail = "The job has already ended, or its result is being delivered."


class Superseded(Problem):
    """A report of an attempt that is no longer wanted: its caller should stop."""

    status_code = 409
    default_code = "attempt_superseded"
    default_detail = "This attempt is no longer wanted."


def _lock(attempt_ids: Iterable[UUID], states: Collection[str]) -> QuerySet[Attempt]:
    """Those of the attempts that are current and in one of the states, locked in job order."""
    return (
        Attempt.objects.select_related("job")
        .select_for_update(no_key=True, of=("job", "self"))  # rows are locked in this order
        .filter(
            pk__in=list(attempt_ids),
            state__in=states,
            job__attempt_id=F("pk"),
            job__status__in=OPEN,
        )
        .order_by("job_id")
    )


def _record(jobs: Iterable[Job], type: str, **data: Any) -> None:
    Event.objects.bulk_create(
        [Event(job_id=job.pk, user_id=job.user_id, type=type, data=data) for job in jobs]
    )


def _wake(attempts: Collection[Attempt], after: timedelta) -> None:
    Job.objects.filter(pk__in=[a.job_id for a in attempts], status__in=OPEN).update(
        wake_at=Now() + after
    )


# --- Steps: claim, then release, put back or break off ----------------------------------------


@transaction.atomic
def claim(*, step: Step, attempt_ids: Iterable[UUID], worker: str) -> list[Attempt]:
    """Take the attempts that wait for this step; what another took, or what ended, is left out."""
    attempts = list(_lock(attempt_ids, [step.takes]))
    Attempt.objects.filter(pk__in=[a.pk for a in attempts]).update(
        state=step.holds,
        worker=worker,
        lease_expires_at=Now() + STEP_LEASE,
        claimed_at=Coalesce(F("claimed_at"), Now()),
        publications=0,
    )
    started = [a.job for a in attempts if a.job.status == JobStatus.PENDING]
    Job.objects.filter(pk__in=[a.job_id for a in attempts]).update(
        status=JobStatus.PROCESSING,
        started_at=Coalesce(F("started_at"), Now()),
        wake_at=Now() + CLAIM_CHECK,
    )
    _record(started, "started")
    return attempts


@transaction.atomic
def release(*, step: Step, worker: str, values: Mapping[UUID, Mapping[str, Any]]) -> list[UUID]:
    """Leave the step with each attempt's new column values; returns those still held."""
    attempts = [a for a in _lock(values, [step.holds]) if a.worker == worker]
    for attempt in attempts:
        attempt.state = step.leaves
        attempt.worker = None
        for name, value in values[attempt.pk].items():
            setattr(attempt, name, value)
    names = {name for each in values.values() for name in each}
    if attempts:
        Attempt.objects.bulk_update(attempts, ["state", "worker", *sorted(names)])
        _wake(attempts, NEXT_STEP_WITHIN)
    return [a.pk for a in attempts]


@transaction.atomic
def put_back(
    *,
    step: Step,
    attempt_ids: Iterable[UUID],
    after: timedelta,
    fault: bool,
    worker: str | None = None,
) -> None:
    """Undo a claim (of ``worker``, if named), for another worker to try.

    A store was away, or (a fault) the worker died.
    """
    attempts = [a for a in _lock(attempt_ids, [step.holds]) if worker in (None, a.worker)]
    Attempt.objects.filter(pk__in=[a.pk for a in attempts]).update(
        state=step.takes, worker=None, faults=F("faults") + int(fault), publications=0
    )
    _wake(attempts, after)


@transaction.atomic
def break_off(
    *, attempt_id: UUID, error: JobError, states: Collection[str], worker: str | None = None
) -> bool:
    """Store why an attempt (held by ``worker``, if named) cannot go on; what follows is decided
    by the orchestrator.
    """
    attempt = _lock([attempt_id], states).first()
    if attempt is None or worker not in (None, attempt.worker):
        return False
    _stop_call(attempt)
    Attempt.objects.filter(pk=attempt_id).update(
        state=AttemptState.BROKEN,
        error_code=error.code,
        error_message=error.message,
        publications=0,
    )
    _wake([attempt], timedelta(0))
    nudge_on_commit()
    return True


# --- Calls: started, reporting, stopped -------------------------------------------------------


@transaction.atomic
def calls_started(*, call_ids: Mapping[UUID, str]) -> list[UUID]:
    """Keep the calls' ids, whatever became of the attempts meanwhile, so that they can be stopped.

    Returns those attempts that now run.
    """
    job_ids = Attempt.objects.filter(pk__in=call_ids).values("job_id")
    list(Job.objects.select_for_update(no_key=True).filter(pk__in=job_ids).order_by("pk"))
    unknown = list(Attempt.objects.filter(pk__in=call_ids, call_id=None))
    for attempt in unknown:
        attempt.call_id = call_ids[attempt.pk]
    Attempt.objects.bulk_update(unknown, ["call_id"])
    call_id = Attempt.objects.filter(pk=OuterRef("attempt_id")).values("call_id")[:1]
    Job.objects.filter(attempt_id__in=call_ids).update(modal_task_id=Subquery(call_id))
    held = list(_lock(call_ids, [AttemptState.DISPATCHING]))
    for name, attempts in groupby(sorted(held, key=_type_of), key=_type_of):
        _running(feature_of(name), list(attempts))
    return [attempt.pk for attempt in held]


def _type_of(attempt: Attempt) -> str:
    return attempt.job.type


def _running(feature: Feature, attempts: list[Attempt]) -> None:
    Attempt.objects.filter(pk__in=[attempt.pk for attempt in attempts]).update(
        state=AttemptState.RUNNING,
        worker=None,
        dispatched_at=Now(),
        lease_expires_at=Now() + call_lease(feature),
    )
    _wake(attempts, timedelta(seconds=feature.expected_seconds))


@transaction.atomic
def call_goes_on(*, attempt_id: UUID, waits: bool, look_again_after: timedelta) -> None:
    """Ask after a call again later; one that waits for its worker loses none of its time."""
    attempt = _lock([attempt_id], [AttemptState.RUNNING]).first()
    if attempt is None:
        return
    if waits:
        lease = call_lease(feature_of(attempt.job.type))
        Attempt.objects.filter(pk=attempt_id).update(lease_expires_at=Now() + lease)
    _wake([attempt], look_again_after)


def call_lease(feature: Feature) -> timedelta:
    """Longest that a call may run."""
    return timedelta(seconds=feature.contract.time_limit_seconds) + CALL_GRACE


def report_progress(*, attempt_id: UUID, call_id: str, progress: float) -> None:
    """Show a running call's progress; never backwards. Raises ``NotFound``, ``Superseded``."""
    _reporting(attempt_id, call_id)
    Attempt.objects.filter(pk=attempt_id, progress__lt=progress).update(progress=progress)
    Job.objects.filter(
        attempt_id=attempt_id, status=JobStatus.PROCESSING, progress__lt=progress
    ).update(progress=progress)


@transaction.atomic
def report_outcome(*, attempt_id: UUID, call_id: str, outcome: Outcome) -> bool:
    """Store how a call ended, once; a repetition is no error. Raises as `report_progress`."""
    _reporting(attempt_id, call_id)
    attempt = _lock([attempt_id], SPAWNED).first()
    if attempt is None:
        return False
    Attempt.objects.filter(pk=attempt_id).update(
        state=AttemptState.BROKEN if outcome.error else AttemptState.REPORTED,
        worker=None,
        call_id=call_id,
        outcome=outcome.model_dump(mode="json"),
        error_code=outcome.error.code if outcome.error else None,
        error_message=outcome.error.message if outcome.error else None,
        reported_at=Now(),
        publications=0,
    )
    _wake([attempt], timedelta(0))
    nudge_on_commit()
    return True


def _reporting(attempt_id: UUID, call_id: str) -> None:
    attempt = Attempt.objects.select_related("job").filter(pk=attempt_id).first()
    if attempt is None:
        raise NotFound
    other_call = attempt.call_id is not None and attempt.call_id != call_id
    unwanted = attempt.job.attempt_id != attempt_id or attempt.job.status == JobStatus.CANCELLED
    if other_call or unwanted or attempt.stop_requested_at is not None:
        raise Superseded


def _stop_call(attempt: Attempt) -> None:
    """Durably ask for the end of a call that may run, even if its id is not known yet."""
    if attempt.state in SPAWNED:
        Attempt.objects.filter(pk=attempt.pk, stop_requested_at=None).update(
            stop_requested_at=Now()
        )


# --- Attempts: the first, and further ones ----------------------------------------------------


def begin_first_attempts(*, feature: Feature, jobs: Collection[Job]) -> None:
    """Give locked pending jobs of one feature their first attempts."""
    attempts = [_attempt(feature, job, 1) for job in jobs]
    Attempt.objects.bulk_create(attempts)
    own = Attempt.objects.filter(job_id=OuterRef("pk")).values("pk")[:1]
    Job.objects.filter(pk__in=[job.pk for job in jobs], attempt=None, status__in=OPEN).update(
        attempt_id=Subquery(own), wake_at=Now(), deadline_at=Now() + feature.run_limit
    )


def _attempt(feature: Feature, job: Job, number: int) -> Attempt:
    return Attempt(
        job=job,
        number=number,
        backend=feature.backend,
        engine=feature.engine,
        gpu_class=job.gpu_class,
    )


@transaction.atomic
def begin_attempt(*, job: Job, after: timedelta = timedelta(0)) -> Attempt:
    """Give a locked open job its next attempt; the one before it, if any, ends as failed."""
    feature = feature_of(job.type)
    number = 1
    if job.attempt is not None:
        number = job.attempt.number + 1
        _stop_call(job.attempt)
        Attempt.objects.filter(pk=job.attempt.pk).update(
            state=AttemptState.FAILED, finished_at=Now()
        )
        _record([job], "retrying", attempt=number, error_code=job.attempt.error_code)
    attempt = _attempt(feature, job, number)
    attempt.save(force_insert=True)
    Job.objects.filter(pk=job.pk, status__in=OPEN).update(
        attempt=attempt,
        progress=0.0,
        wake_at=Now() + after,
        deadline_at=Coalesce(F("deadline_at"), Now() + feature.run_limit),
    )
    return attempt


@transaction.atomic
def requeue(*, job_id: UUID, by: str, reason: str = "") -> Attempt:
    """Give a stuck open job a new attempt, by a person's hand; raises ``JobFinished``."""
    job = _lock_job(job_id)
    if job.status in ENDED or (job.attempt and job.attempt.state in DELIVERING):
        raise JobFinished
    attempt = begin_attempt(job=job)
    _record([job], "requeued", by=by, reason=reason)
    nudge_on_commit()
    return attempt


# --- Ends: exactly one of these wins ----------------------------------------------------------


@transaction.atomic
def complete(*, attempt_ids: Iterable[UUID], worker: str) -> list[UUID]:
    """Mark delivered jobs completed, with the results that `collect` stored."""
    held = [a for a in _lock(attempt_ids, [AttemptState.FINALIZING]) if a.worker == worker]
    ids = [a.pk for a in held]
    result = Attempt.objects.filter(pk=OuterRef("attempt_id")).values("result")[:1]
    Job.objects.filter(attempt_id__in=ids, status__in=OPEN).update(
        status=JobStatus.COMPLETED,
        output_data=Subquery(result),
        progress=1.0,
        wake_at=None,
        completed_at=Now(),
    )
    Attempt.objects.filter(pk__in=ids).update(
        state=AttemptState.COMPLETED, worker=None, finished_at=Now()
    )
    give_back_unused(held)
    _record([a.job for a in held], "completed")
    return ids


@transaction.atomic
def fail(
    *,
    attempt_id: UUID,
    error: JobError,
    states: Collection[str] = (AttemptState.BROKEN,),
    worker: str | None = None,
) -> bool:
    """End a job as failed and give its credits back; safe to call any number of times.

    What another than ``worker`` holds, if that is named, is left alone.
    """
    attempt = _lock([attempt_id], states).first()
    if attempt is None or (attempt.state in CLAIMED and worker not in (None, attempt.worker)):
        return False
    _end(attempt.job, attempt, JobStatus.FAILED, error)
    return True


@transaction.atomic
def give_up(*, job_id: UUID, code: ErrorCode = ErrorCode.DEADLINE_EXCEEDED) -> bool:
    """Fail a job at whatever point it stands, unless its result is being delivered."""
    job = _lock_job(job_id)
    if job.status not in OPEN or (job.attempt and job.attempt.state in DELIVERING):
        return False
    _end(job, job.attempt, JobStatus.FAILED, JobError.of(code))
    return True


@transaction.atomic
def cancel(*, job_id: UUID, by: str, reason: str = "") -> Job:
    """End an open job at a person's wish, with a refund; raises ``JobFinished`` if too late."""
    job = _lock_job(job_id)
    if job.status in ENDED or (job.attempt and job.attempt.state in DELIVERING):
        raise JobFinished
    error = JobError.of(ErrorCode.CANCELLED)
    _end(job, job.attempt, JobStatus.CANCELLED, error, by=by, reason=reason)
    nudge_on_commit()
    return Job.objects.get(pk=job_id)


def _lock_job(job_id: UUID) -> Job:
    # The attempt is read later, by a statement of its own: one joined here would be as it was
    # before we waited for the lock.
    job = Job.objects.select_for_update(no_key=True).filter(pk=job_id).first()
    if job is None:
        raise NotFound
    return job


def _end(
    job: Job, attempt: Attempt | None, status: JobStatus, error: JobError, **event: Any
) -> None:
    if attempt is not None:
        _stop_call(attempt)
        ended = AttemptState.CANCELLED if status == JobStatus.CANCELLED else AttemptState.FAILED
        Attempt.objects.filter(pk=attempt.pk).update(
            state=ended,
            error_code=error.code,
            error_message=error.message,
            worker=None,
            finished_at=Now(),
        )
    Job.objects.filter(pk=job.pk, status__in=OPEN).update(
        status=status,
        error_code=error.code,
        error_message=error.message,
        credits_refunded=job.credits_cost > 0,
        wake_at=None,
        completed_at=Now(),
    )
    if job.credits_cost > 0:
        ledger.refund(
            user_id=job.user_id,
            amount=job.credits_cost,
            job_id=job.pk,
            description=f"{job.type} {status}: {error.code}",
        )
    _record([job], status.value, error_code=error.code, **event)


def in_pool(gpu_class: str) -> int:
    """How many places of a GPU class are taken."""
    return Attempt.objects.filter(gpu_class=gpu_class, state__in=IN_POOL).count()
