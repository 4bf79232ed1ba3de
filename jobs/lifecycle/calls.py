"""Calls: started, going on, reporting."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Now

from auteur.api.problems import NotFound, Problem
from gpu_tasks.contract import Outcome
from jobs.features.base import Feature
from jobs.features.registry import feature_of
from jobs.lifecycle.locking import SPAWNED, lock, wake
from jobs.models import OPEN, Attempt, AttemptState, Job, JobStatus
from jobs.wakeup import nudge_on_commit

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
        error_code = %(error_code)s, error_message = %(error_message)s, reported_at = now(),
        publications = 0
    FROM mine WHERE job_attempts.id = mine.id
)
UPDATE jobs SET wake_at = now() FROM mine WHERE jobs.id = mine.job_id RETURNING jobs.id"""
"""One statement, for it runs once for every call; locks and checks are those of `lock`."""


class Superseded(Problem):
    """A report of an attempt that is no longer wanted: its caller should stop."""

    status_code = 409
    default_code = "attempt_superseded"
    default_detail = "This attempt is no longer wanted."


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
    held = list(lock(call_ids, [AttemptState.DISPATCHING]))
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
    wake(attempts, timedelta(seconds=feature.expected_seconds))


@transaction.atomic
def call_goes_on(*, attempt_id: UUID, waits: bool, look_again_after: timedelta) -> None:
    """Ask after a call again later; one that waits for its worker loses none of its time."""
    attempt = lock([attempt_id], [AttemptState.RUNNING]).first()
    if attempt is None:
        return
    if waits:
        lease = call_lease(feature_of(attempt.job.type))
        Attempt.objects.filter(pk=attempt_id).update(lease_expires_at=Now() + lease)
    wake([attempt], look_again_after)


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
    with connection.cursor() as cursor:
        cursor.execute(REPORT, values)
        is_stored = cursor.fetchone() is not None
    if is_stored:
        nudge_on_commit()
    else:
        _reporting(attempt_id, call_id)
    return is_stored


def _reporting(attempt_id: UUID, call_id: str) -> None:
    attempt = Attempt.objects.select_related("job").filter(pk=attempt_id).first()
    if attempt is None:
        raise NotFound
    other_call = attempt.call_id is not None and attempt.call_id != call_id
    unwanted = attempt.job.attempt_id != attempt_id or attempt.job.status == JobStatus.CANCELLED
    if other_call or unwanted or attempt.stop_requested_at is not None:
        raise Superseded
