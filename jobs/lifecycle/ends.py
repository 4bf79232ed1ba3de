"""End jobs. Exactly one end of a job wins, and its transaction settles the money."""

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from auteur.core import ids
from auteur.core.api.problems import NotFoundProblem
from credits import ledger, spending
from gpu_tasks.runtime.errors import ErrorCode
from jobs import ledger_descriptions, sql
from jobs.cancels import CAUSED_BY_USER, count_ended_job
from jobs.errors import JobError
from jobs.features.registry import features, list_stored_apart
from jobs.lifecycle.locking import JobFinishedProblem, end_attempt, is_too_late, lock_job, record
from jobs.models import Attempt, Job
from jobs.states import CLAIMED, FINALIZE, OPEN, AttemptState, JobStatus, Step
from jobs.status import waits_for
from jobs.wake_signal import wake_on_commit

logger = logging.getLogger(__name__)

LEAST_USED = 1
"""Credits. A job whose result is worth nothing is not completed: it fails, with a full refund."""


def complete(
    *,
    attempt_ids: Iterable[UUID],
    worker: str,
    step: Step = FINALIZE,
    values: Mapping[UUID, Mapping[str, Any]] | None = None,
) -> list[UUID]:
    """Mark jobs completed, with the results that `collect` stored or the new ``values``.

    Jobs that are worth their price end in one statement. The others end with a refund.
    """
    all_ids = list(attempt_ids)
    completed_ids = _complete_jobs(all_ids, worker, step, values, partly=False)
    if remaining_ids := set(all_ids).difference(completed_ids):
        with transaction.atomic():
            refund_ids = _complete_jobs(remaining_ids, worker, step, values, partly=True)
            _refund_unused_credits(Attempt.objects.select_related("job").filter(pk__in=refund_ids))
        completed_ids += refund_ids
    return completed_ids


def _complete_jobs(
    attempt_ids: Collection[UUID],
    worker: str,
    step: Step,
    values: Mapping[UUID, Mapping[str, Any]] | None,
    *,
    partly: bool,
) -> list[UUID]:
    entries = [{"id": str(pk), **(values or {}).get(pk, {})} for pk in attempt_ids]
    rows = sql.run(
        "complete",
        attempt_ids=list(attempt_ids),
        states=[step.holds],
        holder=worker,
        partly=partly,
        values=json.dumps(entries),
        stored_apart=json.dumps(list_stored_apart()),
    )
    transaction.on_commit(lambda: _log_completed_jobs(rows))
    return [attempt_id for attempt_id, _ in rows]


def _refund_unused_credits(attempts: Iterable[Attempt]) -> None:
    """Refund the part of each price that the result is not worth."""
    refundable = [attempt for attempt in attempts if _count_unused_credits(attempt) > 0]
    if not refundable:
        return
    Job.objects.filter(pk__in=[attempt.job_id for attempt in refundable]).update(
        credits_refunded=True
    )
    # Lock the accounts in order: another worker may be completing jobs of the same users.
    for attempt in sorted(refundable, key=lambda attempt: attempt.job.user_id):
        job, amount = attempt.job, _count_unused_credits(attempt)
        reason = ledger_descriptions.describe_unused(amount, cost=job.credits_cost)
        _refund_credits(
            job, amount, ledger_descriptions.describe_refund(job, JobStatus.COMPLETED, reason)
        )


def _count_unused_credits(attempt: Attempt) -> int:
    if attempt.used_credits is None:
        return 0
    return attempt.job.credits_cost - max(LEAST_USED, attempt.used_credits)


def _log_completed_jobs(rows: Iterable[Sequence[UUID]]) -> None:
    for attempt_id, job_id in rows:
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

    A failure that its user has caused is refunded within the limit of `jobs.cancels`. With a
    ``worker``, an attempt that another worker has claimed does not change.
    """
    try:
        job = lock_job(attempt_id=attempt_id)
    except NotFoundProblem:
        return False  # The attempt is not the current one.
    attempt = job.attempt
    if job.status not in OPEN or attempt is None or attempt.state not in states:
        return False
    if attempt.state in CLAIMED and worker not in (None, attempt.worker):
        return False
    refunds = count_ended_job(job=job, attempt=attempt, code=error.code)
    has_grace = error.code not in CAUSED_BY_USER
    _end_job(job, JobStatus.FAILED, error, refunds=refunds, has_grace=has_grace)
    return True


@transaction.atomic
def fail_waiting(*, job_id: UUID, error: JobError) -> bool:
    """Fail a job that waits for its media and has cost nothing yet; safe to call again."""
    job = lock_job(pk=job_id)
    if not waits_for(job):
        return False
    _end_job(job, JobStatus.FAILED, error)
    return True


@transaction.atomic
def expire(*, job_id: UUID, code: ErrorCode = ErrorCode.DEADLINE_EXCEEDED) -> bool:
    """Fail a job in any state, unless its result is being delivered."""
    job = lock_job(pk=job_id)
    if is_too_late(job):
        return False
    _end_job(job, JobStatus.FAILED, JobError.of(code), has_grace=True)
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
    """Cancel an open job for a person, with a refund.

    Raises ``JobFinishedProblem`` if it is too late. With ``is_limited`` the refund is bound by
    `jobs.cancels`, which raises ``FreeCancelsUsedProblem`` unless ``without_refund`` is set.
    """
    job = lock_job(pk=job_id)
    if is_too_late(job):
        raise JobFinishedProblem
    error = JobError.of(ErrorCode.CANCELLED)
    refunds = not is_limited or count_ended_job(
        job=job, attempt=job.attempt, code=error.code, without_refund=without_refund
    )
    _end_job(job, JobStatus.CANCELLED, error, refunds=refunds, by=by, reason=reason)
    wake_on_commit()
    return Job.objects.get(pk=job_id)


def _end_job(
    job: Job,
    status: JobStatus,
    error: JobError,
    *,
    refunds: bool = True,
    has_grace: bool = False,
    **event: Any,
) -> None:
    amount = job.credits_cost if refunds else 0
    message = error.message if refunds else ledger_descriptions.describe_kept_price(error.message)
    stored_error = {"error_code": error.code, "error_message": message}
    if job.attempt is not None:
        end_attempt(job.attempt, state=status.value, worker=None, **stored_error)
    Job.objects.filter(pk=job.pk, status__in=OPEN).update(
        status=status, credits_refunded=amount > 0, wake_at=None, completed_at=Now(), **stored_error
    )
    if amount > 0:
        description = ledger_descriptions.describe_refund(job, status, error.message)
        _refund_credits(job, amount, description, has_grace=has_grace)
    if job.attempt is None:
        _lower_queue_cursor(job)
    record(job, status.value, error_code=error.code, **event, **ids.request_id())
    values = (job.pk, job.attempt_id, status.value, error.code)
    transaction.on_commit(lambda: logger.info("job %s, attempt %s: %s, %s", *values))


def _lower_queue_cursor(job: Job) -> None:
    """Return the rank of an ended job that was never admitted to its user (docs/decisions/0009).

    The cursor is locked last, as in a submission: after job, account and API key.
    """
    queue = {"user_id": job.user_id, "gpu_class": job.gpu_class}
    cursors = sql.run("lock_queue_cursor", **queue)
    # A cursor is as high as the last job that waits. If an earlier job ends, it does not move.
    if any(job.rank >= rank for (rank,) in cursors):
        sql.run("lower_queue_cursor", types=list({*features(), job.type}), **queue)


def _refund_credits(job: Job, amount: int, description: str, *, has_grace: bool = False) -> None:
    ledger.refund(
        user_id=job.user_id,
        amount=amount,
        job_id=job.pk,
        description=description,
        has_grace=has_grace,
    )
    if job.api_key_id is not None:
        spending.refund_spending(
            api_key_id=job.api_key_id, amount=amount, charged_at=job.created_at
        )
