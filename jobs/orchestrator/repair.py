"""What has to be decided: workers lost, errors stored, deadlines past. Needs Postgres only."""

import logging
import random
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.expressions import Case, When
from django.db.models.functions import Now

from auteur import liveness
from auteur.api.problems import OUTAGES
from gpu_tasks.runtime.errors import POLICIES, ErrorCode
from jobs import cached_figures, circuits, heartbeat, lifecycle
from jobs.deadlines import is_in_time
from jobs.errors import JobError
from jobs.features.registry import features, get_feature
from jobs.models import Attempt, Job
from jobs.orchestrator.due import AGAIN_AFTER, MAX_AGAIN_AFTER, needs_decision
from jobs.publishing import WakeUp
from jobs.states import HAS_OUTCOME, HOLDING, AttemptState

logger = logging.getLogger(__name__)

DECIDED_AT_ONCE = 50
"""Jobs of one transaction. It holds the accounts that it refunds: requests of their users wait."""
CLAIM_RECHECK = timedelta(seconds=2)
MAX_CRASHES = 3
"""Workers that may die while they hold an attempt, before it is given up."""
MAX_FAIL_MESSAGES = 2
"""Wake-ups to `jobs.failed` before the orchestrator ends the job itself."""
RETRY_PAUSE = timedelta(seconds=2)
"""Before the second attempt; doubled for each further one."""
MAX_RETRY_PAUSE = timedelta(minutes=10)
RETRY_JITTER = 0.25
"""Share of a pause by which it varies: jobs that failed together are not retried together."""
CIRCUIT_RECHECK = timedelta(seconds=30)
"""How often a retry looks whether the circuit that it waits for has closed, with jitter."""
MAX_INFRASTRUCTURE_ATTEMPTS = 16
"""Attempts that an infrastructure error may end, before the job is given up."""


@dataclass
class Reconciled:
    """How many jobs there were, how many results were given up as undeliverable, and the attempts
    given up, whose task is yet to be woken.
    """

    seen: int = 0
    undelivered: int = 0
    given_up: list[WakeUp] = field(default_factory=list)


@transaction.atomic
def reconcile() -> Reconciled:
    """Decide about every due job that is not simply to be woken or polled."""
    jobs = list(
        Job.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .filter(needs_decision())
        .order_by("wake_at", "pk")[:DECIDED_AT_ONCE]
    )
    found = Reconciled(seen=len(jobs))
    # Not joined above: those would be as they were before their jobs were locked.
    within = Case(When(is_in_time(job="job__", attempt=""), then=Value(True)), default=Value(False))
    # By the database's clock: this machine's may be wrong.
    is_lease_over = Q(lease_expires_at=None) | Q(lease_expires_at__lte=Now())
    attempts = Attempt.objects.annotate(is_in_time=within, is_lease_over=is_lease_over).in_bulk(
        [job.attempt_id for job in jobs]
    )
    living = heartbeat.list_living({a.worker for a in attempts.values() if a.worker})
    # Refunds lock accounts: in the same order in every orchestrator.
    for job in sorted(jobs, key=lambda each: (each.user_id, each.pk)):
        if job.attempt_id is not None:
            job.attempt = attempts[job.attempt_id]
            _try_to_decide(job, job.attempt, living, found)
    if found.undelivered:
        cached_figures.add_undelivered(
            found.undelivered
        )  # the last lock: no account is locked after it
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
    is_late = not attempt.is_in_time  # type: ignore[attr-defined]  # annotated by `reconcile`
    has_outcome = attempt.state in HAS_OUTCOME
    if attempt.state == AttemptState.ERRORED and job.type in features():
        # The deadline was for the call, which is over: what matters now is why.
        _retry_or_fail(job, attempt, found)
    elif is_late and not has_outcome:
        lifecycle.expire(job_id=job.pk)
    elif attempt.state in HOLDING:
        _expire_lost(attempt, living)
    elif is_late:
        _give_up_delivery(attempt, found)
    else:
        get_feature(job.type)  # raises where it is no longer declared: the job waits for it


def _give_up_delivery(attempt: Attempt, found: Reconciled) -> None:
    """Fail a job whose result could not be delivered in time; no worker holds it."""
    error = JobError.of(ErrorCode.STORAGE_ERROR)
    if lifecycle.fail(attempt_id=attempt.pk, error=error, states=[attempt.state]):
        logger.error(
            "job %s, attempt %s: its result could not be delivered since %s; it is refunded",
            attempt.job_id,
            attempt.pk,
            attempt.reported_at,
        )
        found.undelivered += 1


def _expire_lost(attempt: Attempt, living: set[str]) -> None:
    """Take the attempt from a worker that is dead, or that holds it for longer than its lease."""
    is_alive = attempt.worker in living
    is_lease_over = attempt.is_lease_over  # type: ignore[attr-defined]  # annotated by `reconcile`
    if is_alive and not (is_lease_over and liveness.can_expire_leases()):
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
    feature = get_feature(job.type)
    error = JobError(ErrorCode(attempt.error_code or ""), attempt.error_message or "")
    count = lifecycle.count_attempts(job=job)
    may_retry = (
        POLICIES[error.code].retried
        and count.counted < feature.max_attempts
        and count.infrastructure < MAX_INFRASTRUCTURE_ATTEMPTS
        and not count.is_past_bound
    )
    if may_retry:
        jitter = random.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)  # noqa: S311 - no secret
        if stopped_by := circuits.open_circuits_of(feature):
            if circuits.claim_probe(stopped_by):
                circuits.set_probe(stopped_by, lifecycle.begin_attempt(job=job).pk)
            else:
                Job.objects.filter(pk=job.pk).update(wake_at=Now() + CIRCUIT_RECHECK * jitter)
            return
        pause = min(RETRY_PAUSE * 2 ** (count.infrastructure - 1), MAX_RETRY_PAUSE)
        lifecycle.begin_attempt(job=job, after=pause * jitter)
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
