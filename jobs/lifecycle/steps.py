"""Steps: claim, then release, put back or break off."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from auteur.database import execute
from jobs.errors import JobError
from jobs.lifecycle.locking import MINE, lock, mine, stop_call, wake
from jobs.models import Attempt, AttemptState
from jobs.steps import Step
from jobs.wakeup import nudge_on_commit

STEP_LEASE = timedelta(seconds=60)
"""Longest that a worker may hold an attempt for a step."""
LOOK_AFTER = timedelta(seconds=5)
LOOK_BEFORE = timedelta(seconds=10)
"""When the orchestrator looks at what a worker has claimed (does it live?) or left (was the next
step's message claimed?). A ``wake_at`` between the two stays: each change of it costs indexes."""


AT_ANOTHER_TIME = """
mine.wake_at NOT BETWEEN statement_timestamp() + %(after)s AND statement_timestamp() + %(before)s"""

CLAIM = f"""{MINE},
job AS (
    UPDATE jobs
    SET status = 'processing', started_at = coalesce(started_at, statement_timestamp()),
        wake_at = statement_timestamp() + %(before)s
    FROM mine WHERE jobs.id = mine.job_id AND (mine.status = 'pending' OR {AT_ANOTHER_TIME})
),
event AS (
    INSERT INTO job_events (job_id, user_id, type, data)
    SELECT job_id, user_id, 'started', '{{}}' FROM mine WHERE status = 'pending'
),
attempt AS (
    UPDATE job_attempts
    SET state = %(holds)s, worker = %(worker)s, publications = 0,
        lease_expires_at = statement_timestamp() + %(lease)s,
        claimed_at = coalesce(claimed_at, statement_timestamp())
    FROM mine WHERE job_attempts.id = mine.attempt_id
)
SELECT attempt_id FROM mine"""

RELEASE = f"""{MINE},
given AS (
    SELECT * FROM jsonb_to_recordset(%(values)s::jsonb) AS given (
        id uuid, payload jsonb, result jsonb, used_credits int
    )
),
job AS (
    UPDATE jobs SET wake_at = statement_timestamp() + %(before)s
    FROM mine WHERE jobs.id = mine.job_id AND {AT_ANOTHER_TIME}
)
UPDATE job_attempts
SET state = %(leaves)s, worker = NULL,
    payload = coalesce(given.payload, job_attempts.payload),
    result = coalesce(given.result, job_attempts.result),
    used_credits = coalesce(given.used_credits, job_attempts.used_credits)
FROM mine JOIN given ON given.id = mine.attempt_id WHERE job_attempts.id = mine.attempt_id
RETURNING job_attempts.id"""


def claim(*, step: Step, attempt_ids: Iterable[UUID], worker: str) -> list[Attempt]:
    """Take the attempts that wait for this step; what another took, or what ended, is left out."""
    values = mine(attempt_ids, step.takes) | {
        "worker": worker,
        "holds": step.holds,
        "lease": STEP_LEASE,
        "after": LOOK_AFTER,
        "before": LOOK_BEFORE,
    }
    taken = [attempt_id for (attempt_id,) in execute(CLAIM, values)]
    return list(Attempt.objects.select_related("job").filter(pk__in=taken)) if taken else []


def release(*, step: Step, worker: str, values: Mapping[UUID, Mapping[str, Any]]) -> list[UUID]:
    """Leave the step with each attempt's ``payload``, or ``result`` and ``used_credits``; returns
    those still held.
    """
    rows = [{"id": str(attempt_id), **given} for attempt_id, given in values.items()]
    parameters = mine(values, step.holds, worker) | {
        "values": json.dumps(rows),
        "leaves": step.leaves,
        "after": LOOK_AFTER,
        "before": LOOK_BEFORE,
    }
    return [attempt_id for (attempt_id,) in execute(RELEASE, parameters)]


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
