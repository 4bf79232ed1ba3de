"""Decide about lost workers, stored errors and missed deadlines. Needs PostgreSQL only."""

import logging
import random
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, Value
from django.db.models.expressions import Case, When
from django.db.models.functions import Now

from auteur.core.api.problems import OUTAGES
from auteur.core.work import liveness
from gpu_tasks.runtime.errors import POLICIES, ErrorCode
from jobs import cached_figures, heartbeat, lifecycle
from jobs.calls import circuits
from jobs.calls.deadlines import is_in_time
from jobs.errors import JobError
from jobs.features.registry import features, get_feature
from jobs.models import Attempt, Job
from jobs.orchestrator.due import MAX_AGAIN_AFTER, needs_decision
from jobs.states import HAS_OUTCOME, HOLDING, AttemptState

logger = logging.getLogger(__name__)

DECIDED_AT_ONCE = 50
"""Jobs of one transaction. It locks the accounts that it refunds; their users' requests wait."""
CLAIM_RECHECK = timedelta(seconds=2)
MAX_CRASHES = 3
"""Workers that may die with a claim on an attempt, before it is given up."""
RETRY_PAUSE = timedelta(seconds=2)
"""Pause before the second attempt; doubled for each further one."""
MAX_RETRY_PAUSE = timedelta(minutes=10)
RETRY_JITTER = 0.25
"""Share of a pause by which it varies: jobs that failed together are not retried together."""
CIRCUIT_RECHECK = timedelta(seconds=30)
"""How often a retry checks whether the circuit that it waits for has closed, with jitter."""
MAX_INFRASTRUCTURE_ATTEMPTS = 16
"""Attempts that an infrastructure error may end, before the job is given up."""


@dataclass
class Reconciled:
    """How many jobs one round decided about, and how many results it gave up as undeliverable."""

    seen: int = 0
    undelivered: int = 0


@transaction.atomic
def reconcile() -> Reconciled:
    """Decide about every due job that is not simply to be woken or polled."""
    jobs = list(
        Job.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .filter(needs_decision())
        .order_by("wake_at", "pk")[:DECIDED_AT_ONCE]
    )
    result = Reconciled(seen=len(jobs))
    # A join above would return the attempts as they were before their jobs were locked.
    is_in_time_case = Case(
        When(is_in_time(job="job__", attempt=""), then=Value(True)), default=Value(False)
    )
    # The database's clock decides, because this machine's clock may be wrong.
    is_lease_over = Q(lease_expires_at=None) | Q(lease_expires_at__lte=Now())
    attempts = Attempt.objects.annotate(
        is_in_time=is_in_time_case, is_lease_over=is_lease_over
    ).in_bulk([job.attempt_id for job in jobs])
    living_workers = heartbeat.list_living({a.worker for a in attempts.values() if a.worker})
    # Refunds lock accounts, so every orchestrator handles them in the same order.
    for job in sorted(jobs, key=lambda job: (job.user_id, job.pk)):
        if job.attempt_id is not None:
            job.attempt = attempts[job.attempt_id]
            _try_to_decide_job(job, job.attempt, living_workers, result)
    if result.undelivered:
        # This is the last lock: no account is locked after it.
        cached_figures.add_undelivered(result.undelivered)
    return result


def _try_to_decide_job(
    job: Job, attempt: Attempt, living_workers: set[str], result: Reconciled
) -> None:
    """Decide about one job; log an unexpected error, which must not stop all others."""
    attempt.job = job
    try:
        with transaction.atomic():
            _decide_job(job, attempt, living_workers, result)
    except OUTAGES:
        raise
    except Exception:
        logger.exception("job %s cannot be decided about", job.pk)
        Job.objects.filter(pk=job.pk).update(wake_at=Now() + MAX_AGAIN_AFTER)


def _decide_job(job: Job, attempt: Attempt, living_workers: set[str], result: Reconciled) -> None:
    is_late = not attempt.is_in_time  # type: ignore[attr-defined]  # annotated by `reconcile`
    has_outcome = attempt.state in HAS_OUTCOME
    if attempt.state == AttemptState.ERRORED and job.type in features():
        # The deadline was for the call, which is over. Only its error matters now.
        _retry_or_fail(job, attempt)
    elif is_late and not has_outcome:
        lifecycle.expire(job_id=job.pk)
    elif attempt.state in HOLDING:
        _expire_lost_claim(attempt, living_workers)
    elif is_late:
        _give_up_delivery(attempt, result)
    else:
        get_feature(job.type)  # Raises if it is not declared any more: the job waits for it.


def _give_up_delivery(attempt: Attempt, result: Reconciled) -> None:
    """Fail a job whose result could not be delivered in time and that no worker has claimed."""
    error = JobError.of(ErrorCode.STORAGE_ERROR)
    if lifecycle.fail(attempt_id=attempt.pk, error=error, states=[attempt.state]):
        logger.error(
            "job %s, attempt %s: its result could not be delivered since %s; it is refunded",
            attempt.job_id,
            attempt.pk,
            attempt.reported_at,
        )
        result.undelivered += 1


def _expire_lost_claim(attempt: Attempt, living_workers: set[str]) -> None:
    """Release the attempt of a dead worker, or of one that exceeds its lease."""
    is_alive = attempt.worker in living_workers
    is_lease_over = attempt.is_lease_over  # type: ignore[attr-defined]  # annotated by `reconcile`
    if is_alive and not (is_lease_over and liveness.can_expire_leases()):
        Job.objects.filter(pk=attempt.job_id).update(wake_at=Now() + CLAIM_RECHECK)
        return
    step = HOLDING[AttemptState(attempt.state)]
    logger.warning("worker of %s lost in %s", attempt.pk, step.name)
    if step.repeatable and (is_alive or attempt.crash_count + 1 < MAX_CRASHES):
        # A worker that lives had an outage of ours, which does not count as a crash.
        lifecycle.requeue(
            step=step, attempt_ids=[attempt.pk], after=timedelta(0), crashed=not is_alive
        )
        return
    code = ErrorCode.MODEL_ERROR if step.repeatable else ErrorCode.GPU_UNAVAILABLE
    lifecycle.mark_errored(attempt_id=attempt.pk, error=JobError.of(code), states=[step.holds])


def _retry_or_fail(job: Job, attempt: Attempt) -> None:
    feature = get_feature(job.type)
    error = JobError(ErrorCode(attempt.error_code or ""), attempt.error_message or "")
    count = lifecycle.count_attempts(job=job)
    can_retry = (
        POLICIES[error.code].retried
        and count.counted < feature.max_attempts
        and count.infrastructure < MAX_INFRASTRUCTURE_ATTEMPTS
        and not count.is_past_bound
    )
    if can_retry:
        jitter = random.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)  # noqa: S311 - no secret
        if open_circuits := circuits.open_circuits_of(feature):
            if circuits.claim_probe(open_circuits):
                circuits.set_probe(open_circuits, lifecycle.begin_attempt(job=job).pk)
            else:
                Job.objects.filter(pk=job.pk).update(wake_at=Now() + CIRCUIT_RECHECK * jitter)
            return
        pause = min(RETRY_PAUSE * 2 ** (count.infrastructure - 1), MAX_RETRY_PAUSE)
        lifecycle.begin_attempt(job=job, after=pause * jitter)
    else:
        lifecycle.fail(attempt_id=attempt.pk, error=error)
