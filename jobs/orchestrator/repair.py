"""What has to be decided: workers lost, errors stored, deadlines past. Needs Postgres only."""

import logging
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from auteur import liveness
from auteur.api.problems import OUTAGES
from gpu_tasks.runtime.errors import POLICIES, ErrorCode
from jobs import heartbeat, lifecycle
from jobs.errors import JobError
from jobs.features.registry import feature_of
from jobs.models import Attempt, Job
from jobs.orchestrator.due import AGAIN_AFTER, MAX_AGAIN_AFTER, TAKEN_AT_ONCE, to_decide
from jobs.publishing import WakeUp
from jobs.states import DELIVERING, HOLDING, AttemptState

logger = logging.getLogger(__name__)

CLAIM_RECHECK = timedelta(seconds=2)
MAX_CRASHES = 3
"""Workers that may die while they hold an attempt, before it is given up."""
MAX_FAIL_MESSAGES = 2
"""Wake-ups to `jobs.failed` before the orchestrator ends the job itself."""
RETRY_PAUSE = timedelta(seconds=2)
"""Before the second attempt; doubled for each further one."""


@dataclass
class Reconciled:
    """How many jobs there were, and the attempts given up, whose task is yet to be woken."""

    seen: int = 0
    given_up: list[WakeUp] = field(default_factory=list)


@transaction.atomic
def reconcile() -> Reconciled:
    """Decide about every due job that is not simply to be woken or polled."""
    jobs = list(
        Job.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .filter(to_decide())
        .order_by("wake_at", "pk")[:TAKEN_AT_ONCE]
    )
    found = Reconciled(seen=len(jobs))
    # Not joined above: those would be as they were before their jobs were locked.
    attempts = Attempt.objects.in_bulk([job.attempt_id for job in jobs])
    living = heartbeat.living({a.worker for a in attempts.values() if a.worker})
    # Refunds lock accounts: in the same order in every orchestrator.
    for job in sorted(jobs, key=lambda each: (each.user_id, each.pk)):
        if job.attempt_id is not None:
            job.attempt = attempts[job.attempt_id]
            _try_to_decide(job, job.attempt, living, found)
    return found


def _try_to_decide(job: Job, attempt: Attempt, living: set[str], found: Reconciled) -> None:
    """As `_decide`; but one job that cannot be handled must not stop all others."""
    attempt.job = job
    try:
        with transaction.atomic():
            _decide(job, attempt, living, found)
    except OUTAGES:
        raise
    except Exception:
        logger.exception("job %s cannot be decided about", job.pk)
        Job.objects.filter(pk=job.pk).update(wake_at=Now() + MAX_AGAIN_AFTER)


def _decide(job: Job, attempt: Attempt, living: set[str], found: Reconciled) -> None:
    if _past_deadline(job) and attempt.state not in DELIVERING:
        lifecycle.expire(job_id=job.pk)
    elif attempt.state in HOLDING:
        _expire_lost(attempt, living)
    elif attempt.state == AttemptState.ERRORED:
        _retry_or_fail(job, attempt, found)
    else:
        feature_of(job.type)  # raises where it is no longer declared: the job waits for it


def _past_deadline(job: Job) -> bool:
    return job.deadline_at is not None and job.deadline_at <= timezone.now()


def _expire_lost(attempt: Attempt, living: set[str]) -> None:
    """Take the attempt from a worker that is dead, or that holds it for longer than its lease."""
    lease_over = attempt.lease_expires_at is None or attempt.lease_expires_at <= timezone.now()
    is_alive = attempt.worker in living
    if is_alive and not (lease_over and liveness.may_judge()):
        Job.objects.filter(pk=attempt.job_id).update(wake_at=Now() + CLAIM_RECHECK)
        return
    step = HOLDING[AttemptState(attempt.state)]
    logger.warning("worker of %s lost in %s", attempt.pk, step.name)
    if step.repeatable and (is_alive or attempt.crash_count + 1 < MAX_CRASHES):
        # A worker that lives has met an outage of ours, which is not counted as a crash.
        lifecycle.requeue(
            step=step, attempt_ids=[attempt.pk], after=timedelta(0), crashed=not is_alive
        )
        return
    code = ErrorCode.MODEL_ERROR if step.repeatable else ErrorCode.GPU_UNAVAILABLE
    lifecycle.mark_errored(attempt_id=attempt.pk, error=JobError.of(code), states=[step.holds])


def _retry_or_fail(job: Job, attempt: Attempt, found: Reconciled) -> None:
    feature = feature_of(job.type)
    error = JobError(ErrorCode(attempt.error_code or ""), attempt.error_message or "")
    if POLICIES[error.code].retried and attempt.number < feature.max_attempts:
        pause = RETRY_PAUSE * 2 ** (attempt.number - 1)
        lifecycle.begin_attempt(job=job, after=pause)
    elif attempt.publish_count < MAX_FAIL_MESSAGES:
        found.given_up.append(_wake_later(attempt))
    else:
        lifecycle.fail(attempt_id=attempt.pk, error=error)


def _wake_later(attempt: Attempt) -> WakeUp:
    """Delay the job before its message is sent: if that is lost, the job is due again."""
    Attempt.objects.filter(pk=attempt.pk).update(publish_count=F("publish_count") + 1)
    Job.objects.filter(pk=attempt.job_id).update(
        wake_at=Now() + AGAIN_AFTER * (1 + attempt.publish_count)
    )
    return WakeUp(attempt.pk, AttemptState.ERRORED, attempt.job.type)
