"""Calls: started, going on, reporting."""

import json
import logging
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Q, When
from django.db.models.functions import Now

from auteur.api.problems import NotFound, Problem
from auteur.database import execute
from gpu_tasks.runtime.backends.base import CallState
from gpu_tasks.runtime.contract import Outcome
from jobs.features.base import Feature
from jobs.features.registry import feature_of, features
from jobs.lifecycle.locking import MINE, SPAWNED, mine
from jobs.models import OPEN, Attempt, AttemptState, Job, JobStatus
from jobs.wakeup import nudge_on_commit

logger = logging.getLogger(__name__)

CALL_GRACE = timedelta(seconds=60)
"""What a call gets beyond its time limit, to start and to report."""


REPORT = """
WITH mine AS (
    SELECT a.id, a.job_id FROM jobs j JOIN job_attempts a ON a.id = j.attempt_id
    WHERE a.id = %(attempt_id)s AND a.state = ANY(%(spawned)s) AND j.status = ANY(%(open)s)
      AND coalesce(a.call_id, %(call_id)s) = %(call_id)s AND a.stop_requested_at IS NULL
    FOR NO KEY UPDATE OF j, a
),
reported AS (
    UPDATE job_attempts
    SET state = %(state)s, worker = NULL, call_id = %(call_id)s, outcome = %(outcome)s::jsonb,
        error_code = %(error_code)s, error_message = %(error_message)s,
        reported_at = statement_timestamp(), publications = 0,
        started_at = coalesce(job_attempts.started_at, greatest(job_attempts.dispatched_at,
            least(statement_timestamp(), (%(outcome)s::jsonb ->> 'started_at')::timestamptz)))
    FROM mine WHERE job_attempts.id = mine.id
)
UPDATE jobs SET wake_at = statement_timestamp()
FROM mine WHERE jobs.id = mine.job_id RETURNING jobs.id"""
"""One statement, for it runs once for every call; locks and checks are those of `lock`."""


STARTED = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%(calls)s::jsonb) AS given (
        id uuid, call_id text, lease_seconds float, expected_seconds float
    )
),
known AS (
    SELECT j.id AS job_id, a.id AS attempt_id, given.lease_seconds, given.expected_seconds,
           coalesce(a.call_id, given.call_id) AS call_id,
           a.id = j.attempt_id AS is_current,
           a.id = j.attempt_id AND j.status = ANY(%(open)s) AND a.state = 'dispatching' AS runs
    FROM given JOIN job_attempts a ON a.id = given.id JOIN jobs j ON j.id = a.job_id
    ORDER BY j.id
    FOR NO KEY UPDATE OF j, a
),
job AS (
    UPDATE jobs
    SET modal_task_id = CASE WHEN known.is_current THEN known.call_id ELSE modal_task_id END,
        wake_at = CASE
            WHEN known.runs THEN statement_timestamp() + make_interval(secs => expected_seconds)
            ELSE wake_at END
    FROM known WHERE jobs.id = known.job_id
)
UPDATE job_attempts
SET call_id = known.call_id,
    state = CASE WHEN known.runs THEN 'running' ELSE state END,
    worker = CASE WHEN known.runs THEN NULL ELSE worker END,
    dispatched_at = CASE WHEN known.runs THEN statement_timestamp() ELSE dispatched_at END,
    lease_expires_at = CASE
        WHEN known.runs THEN statement_timestamp() + make_interval(secs => lease_seconds)
        ELSE lease_expires_at END
FROM known WHERE job_attempts.id = known.attempt_id
RETURNING job_attempts.id, known.job_id, known.call_id, known.runs"""


GO_ON = f"""{MINE},
job AS (
    UPDATE jobs
    SET wake_at = statement_timestamp() + make_interval(secs => %(seconds)s * CASE
        WHEN mine.attempt_id = ANY(%(sent_again)s) THEN 2 ^ least(mine.publications, %(doublings)s)
        ELSE 1 END)
    FROM mine WHERE jobs.id = mine.job_id
)
UPDATE job_attempts
SET publications = CASE
        WHEN mine.attempt_id = ANY(%(sent_again)s) THEN mine.publications ELSE 0 END,
    started_at = CASE %(now)s
        WHEN 'queued' THEN NULL
        WHEN 'running' THEN coalesce(started_at, statement_timestamp())
        ELSE started_at END,
    lease_expires_at = coalesce(
        statement_timestamp()
            + make_interval(secs => (%(leases)s::jsonb ->> mine.type)::float),
        lease_expires_at)
FROM mine WHERE job_attempts.id = mine.attempt_id
RETURNING job_attempts.id"""
MAX_DOUBLINGS = 4
"""Of the pause before a call is asked after whose messages are lost again and again."""


class Superseded(Problem):
    """A report of an attempt that is no longer wanted: its caller should stop."""

    status_code = 409
    default_code = "attempt_superseded"
    default_detail = "This attempt is no longer wanted."


def calls_started(*, call_ids: Mapping[UUID, str]) -> list[UUID]:
    """Keep the calls' ids, whatever became of the attempts meanwhile, so that they can be stopped.

    Returns those attempts that now run.
    """
    types = Attempt.objects.filter(pk__in=call_ids).values_list("pk", "job__type")
    rows = [_started(pk, call_ids[pk], feature_of(name)) for pk, name in types]
    values = {"calls": json.dumps(rows), "open": list(OPEN)}
    started = execute(STARTED, values)
    for attempt_id, job_id, call_id, _ in started:
        logger.info("job %s, attempt %s: started call %s", job_id, attempt_id, call_id)
    return [attempt_id for attempt_id, _, _, runs in started if runs]


def _started(attempt_id: UUID, call_id: str, feature: Feature) -> dict[str, Any]:
    return {
        "id": str(attempt_id),
        "call_id": call_id,
        "lease_seconds": call_lease(feature).total_seconds(),
        "expected_seconds": feature.expected_seconds,
    }


def calls_go_on(
    *,
    attempt_ids: Collection[UUID],
    seconds: float,
    waiting: bool,
    now: CallState,
    sent_again: Collection[UUID] = (),
) -> None:
    """Ask after calls again in so many seconds, later where messages had to be ``sent_again``.

    Those that are ``waiting`` for a machine lose no time by it. ``now`` is what is known of all:
    that they run, that they do not (yet, or any more), or `UNDER_WAY`, neither.
    """
    leases = {f.name: call_lease(f).total_seconds() for f in features().values()}
    values = mine(attempt_ids, AttemptState.RUNNING) | {
        "seconds": seconds,
        "sent_again": list(sent_again),
        "doublings": MAX_DOUBLINGS,
        "now": now,
        "leases": json.dumps(leases if waiting else {}),
    }
    execute(GO_ON, values)


def call_lease(feature: Feature) -> timedelta:
    """Longest that a call may run."""
    return timedelta(seconds=feature.contract.time_limit_seconds) + CALL_GRACE


def writing(*, attempt_id: UUID, call_id: str) -> Attempt:
    """The attempt whose call may store its outputs now; raises as `report_progress`."""
    attempt = _reporting(attempt_id, call_id)
    if attempt.state not in SPAWNED or attempt.job.status not in OPEN:
        raise Superseded
    return attempt


def report_progress(*, attempt_id: UUID, call_id: str, progress: float) -> None:
    """Show a running call's progress; never backwards. Raises ``NotFound``, ``Superseded``."""
    attempt = _reporting(attempt_id, call_id)
    if attempt.started_at is None:
        _begins(attempt)
    Attempt.objects.filter(pk=attempt_id, progress__lt=progress).update(progress=progress)
    Job.objects.filter(
        attempt_id=attempt_id, status=JobStatus.PROCESSING, progress__lt=progress
    ).update(progress=progress)


def _begins(attempt: Attempt) -> None:
    """A call is on its machine now: what it waited for that is not of its time."""
    lease = Now() + call_lease(feature_of(attempt.job.type))
    running = Q(state=AttemptState.RUNNING)
    Attempt.objects.filter(pk=attempt.pk, state__in=SPAWNED, started_at=None).update(
        started_at=Now(),
        lease_expires_at=Case(When(running, then=lease), default=F("lease_expires_at")),
    )


def report_outcome(*, attempt_id: UUID, call_id: str, outcome: Outcome) -> bool:
    """Store how a call ended, once; a repetition is no error. Raises as `report_progress`."""
    error = outcome.error
    values: dict[str, Any] = {
        "attempt_id": attempt_id,
        "call_id": call_id,
        "spawned": list(SPAWNED),
        "open": list(OPEN),
        "state": AttemptState.BROKEN if error else AttemptState.REPORTED,
        "outcome": outcome.model_dump_json(),
        "error_code": error.code if error else None,
        "error_message": error.message if error else None,
    }
    is_stored = bool(execute(REPORT, values))
    if is_stored:
        nudge_on_commit()
    else:
        _reporting(attempt_id, call_id)
    return is_stored


def _reporting(attempt_id: UUID, call_id: str) -> Attempt:
    attempt = Attempt.objects.select_related("job").filter(pk=attempt_id).first()
    if attempt is None:
        raise NotFound
    other_call = attempt.call_id is not None and attempt.call_id != call_id
    unwanted = attempt.job.attempt_id != attempt_id or attempt.job.status == JobStatus.CANCELLED
    if other_call or unwanted or attempt.stop_requested_at is not None:
        raise Superseded
    return attempt
