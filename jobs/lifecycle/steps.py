"""Steps: claim, then release, put back or break off."""

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from jobs.errors import JobError
from jobs.lifecycle.locking import lock, record, stop_call, wake
from jobs.models import Attempt, AttemptState, Job, JobStatus
from jobs.steps import Step
from jobs.wakeup import nudge_on_commit

STEP_LEASE = timedelta(seconds=60)
"""Longest that a worker may hold an attempt for a step."""
CLAIM_CHECK = timedelta(seconds=8)
"""How soon after a claim the orchestrator looks whether the worker still lives."""
NEXT_STEP_WITHIN = timedelta(seconds=10)
"""How soon the next step's message must have been claimed, before it is sent again."""


@transaction.atomic
def claim(*, step: Step, attempt_ids: Iterable[UUID], worker: str) -> list[Attempt]:
    """Take the attempts that wait for this step; what another took, or what ended, is left out."""
    attempts = list(lock(attempt_ids, [step.takes]))
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
    record(started, "started")
    return attempts


@transaction.atomic
def release(*, step: Step, worker: str, values: Mapping[UUID, Mapping[str, Any]]) -> list[UUID]:
    """Leave the step with each attempt's new column values; returns those still held."""
    attempts = [a for a in lock(values, [step.holds]) if a.worker == worker]
    for attempt in attempts:
        attempt.state = step.leaves
        attempt.worker = None
        for name, value in values[attempt.pk].items():
            setattr(attempt, name, value)
    names = {name for each in values.values() for name in each}
    if attempts:
        Attempt.objects.bulk_update(attempts, ["state", "worker", *sorted(names)])
        wake(attempts, NEXT_STEP_WITHIN)
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
    attempts = [a for a in lock(attempt_ids, [step.holds]) if worker in (None, a.worker)]
    Attempt.objects.filter(pk__in=[a.pk for a in attempts]).update(
        state=step.takes, worker=None, faults=F("faults") + int(fault), publications=0
    )
    wake(attempts, after)


@transaction.atomic
def break_off(
    *, attempt_id: UUID, error: JobError, states: Collection[str], worker: str | None = None
) -> bool:
    """Store why an attempt (held by ``worker``, if named) cannot go on; what follows is decided
    by the orchestrator.
    """
    attempt = lock([attempt_id], states).first()
    if attempt is None or worker not in (None, attempt.worker):
        return False
    stop_call(attempt)
    Attempt.objects.filter(pk=attempt_id).update(
        state=AttemptState.BROKEN,
        error_code=error.code,
        error_message=error.message,
        publications=0,
    )
    wake([attempt], timedelta(0))
    nudge_on_commit()
    return True
