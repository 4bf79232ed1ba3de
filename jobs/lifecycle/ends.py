"""Ends: exactly one of these wins, and settles the money in its transaction."""

import logging
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from auteur import ids
from auteur.api.problems import NotFoundProblem
from credits import ledger
from gpu_tasks.runtime.errors import ErrorCode
from jobs import sql
from jobs.cancels import is_refunded
from jobs.errors import JobError
from jobs.lifecycle.locking import JobFinishedProblem, end_attempt, is_too_late, lock_job, record
from jobs.models import Attempt, Job
from jobs.refunds import refund_unused
from jobs.states import CLAIMED, FINALIZE, OPEN, AttemptState, JobStatus
from jobs.wakeup import nudge_on_commit
from jobs.wording import refunded

logger = logging.getLogger(__name__)


@transaction.atomic
def complete(*, attempt_ids: Iterable[UUID], worker: str) -> list[UUID]:
    """Mark delivered jobs completed, with the results that `collect` stored."""
    ended = sql.run(
        "complete", attempt_ids=list(attempt_ids), states=[FINALIZE.holds], holder=worker
    )
    transaction.on_commit(lambda: _log_completed(ended))
    partly_used = [attempt_id for attempt_id, _, is_partly_used in ended if is_partly_used]
    if partly_used:
        refund_unused(Attempt.objects.select_related("job").filter(pk__in=partly_used))
    return [attempt_id for attempt_id, _, _ in ended]


def _log_completed(ended: Iterable[tuple[UUID, UUID, bool]]) -> None:
    for attempt_id, job_id, _ in ended:
        logger.info("job %s, attempt %s: completed", job_id, attempt_id)


@transaction.atomic
def fail(
    *,
    attempt_id: UUID,
    error: JobError,
    states: Collection[str] = (AttemptState.ERRORED,),
    worker: str | None = None,
) -> bool:
    """End a job as failed and refund it; safe to call any number of times.

    What another than ``worker`` holds, if that is named, is left alone.
    """
    try:
        job = lock_job(attempt_id=attempt_id)
    except NotFoundProblem:
        return False  # it is not the current one
    attempt = job.attempt
    if job.status not in OPEN or attempt is None or attempt.state not in states:
        return False
    if attempt.state in CLAIMED and worker not in (None, attempt.worker):
        return False
    _end(job, JobStatus.FAILED, error)
    return True


@transaction.atomic
def expire(*, job_id: UUID, code: ErrorCode = ErrorCode.DEADLINE_EXCEEDED) -> bool:
    """Fail a job at whatever point it stands, unless its result is being delivered."""
    job = lock_job(pk=job_id)
    if is_too_late(job):
        return False
    _end(job, JobStatus.FAILED, JobError.of(code))
    return True


@transaction.atomic
def cancel(
    *,
    job_id: UUID,
    by: str,
    reason: str = "",
    is_limited: bool = False,
    without_refund: bool = False,
) -> Job:
    """End an open job at a person's wish, with a refund; raises ``JobFinishedProblem`` if too late.

    With ``is_limited`` the refund is bound by `jobs.cancels`: ``FreeCancelsUsedProblem``, unless
    going ``without_refund`` is agreed to.
    """
    job = lock_job(pk=job_id)
    if is_too_late(job):
        raise JobFinishedProblem
    error = JobError.of(ErrorCode.CANCELLED)
    refunds = not is_limited or is_refunded(
        job=job, attempt=job.attempt, without_refund=without_refund
    )
    _end(job, JobStatus.CANCELLED, error, refunds=refunds, by=by, reason=reason)
    nudge_on_commit()
    return Job.objects.get(pk=job_id)


def _end(
    job: Job, status: JobStatus, error: JobError, *, refunds: bool = True, **event: Any
) -> None:
    amount = job.credits_cost if refunds else 0
    said = {"error_code": error.code, "error_message": error.message}
    if job.attempt is not None:
        end_attempt(job.attempt, state=status.value, worker=None, **said)
    Job.objects.filter(pk=job.pk, status__in=OPEN).update(
        status=status, credits_refunded=amount > 0, wake_at=None, completed_at=Now(), **said
    )
    if amount > 0:
        ledger.refund(
            user_id=job.user_id,
            amount=amount,
            job_id=job.pk,
            description=refunded(job, status, error.message),
        )
    record(job, status.value, error_code=error.code, **event, **ids.of_request())
    told = (job.pk, job.attempt_id, status.value, error.code)
    transaction.on_commit(lambda: logger.info("job %s, attempt %s: %s, %s", *told))
