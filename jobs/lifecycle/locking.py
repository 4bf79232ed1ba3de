"""What all transitions share: the locks, in their order, and the traces that they leave."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from auteur.api.problems import NotFound, Problem
from jobs.models import OPEN, Attempt, AttemptState, Event, Job

SPAWNED = (AttemptState.DISPATCHING, AttemptState.RUNNING)
"""States in which a call may run."""


MINE = """
WITH mine AS (
    SELECT j.id AS job_id, j.user_id, j.type, j.status, j.wake_at, j.credits_cost,
           a.id AS attempt_id, a.result, a.used_credits, a.publications
    FROM jobs j JOIN job_attempts a ON a.job_id = j.id AND a.id = j.attempt_id
    WHERE a.id = ANY(%(attempt_ids)s) AND a.state = %(state)s AND j.status = ANY(%(open)s)
      AND (%(holder)s::text IS NULL OR a.worker = %(holder)s)
    ORDER BY j.id
    FOR NO KEY UPDATE OF j, a
)"""
"""What `lock` does, for statements that do all of a step's transition at once: the attempts in
``state``, held by ``holder`` if anybody is named. (Rows are locked in the order of ``OF``.)"""


class JobFinished(Problem):
    """Too late: the job has ended, or its result is being delivered."""

    status_code = 409
    default_code = "job_finished"
    default_detail = "The job has already ended, or its result is being delivered."


def lock(attempt_ids: Iterable[UUID], states: Collection[str]) -> QuerySet[Attempt]:
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


def mine(
    attempt_ids: Iterable[UUID], state: AttemptState, holder: str | None = None
) -> dict[str, Any]:
    """The parameters of ``MINE``."""
    return {
        "attempt_ids": list(attempt_ids),
        "state": state,
        "open": list(OPEN),
        "holder": holder,
    }


def record(jobs: Iterable[Job], type: str, **data: Any) -> None:
    """Write what happened to the jobs, in the present transaction."""
    Event.objects.bulk_create(
        [Event(job_id=job.pk, user_id=job.user_id, type=type, data=data) for job in jobs]
    )


def wake(attempts: Collection[Attempt], after: timedelta) -> None:
    """Have the orchestrator look at the jobs of these attempts after a while."""
    Job.objects.filter(pk__in=[a.job_id for a in attempts], status__in=OPEN).update(
        wake_at=Now() + after
    )


def lock_job(job_id: UUID) -> Job:
    """The job, locked; raises ``NotFound``."""
    # The attempt is read later, by a statement of its own: one joined here would be as it was
    # before we waited for the lock.
    job = Job.objects.select_for_update(no_key=True).filter(pk=job_id).first()
    if job is None:
        raise NotFound
    return job


def stop_call(attempt: Attempt) -> None:
    """Durably ask for the end of a call that may run, even if its id is not known yet."""
    if attempt.state in SPAWNED:
        Attempt.objects.filter(pk=attempt.pk, stop_requested_at=None).update(
            stop_requested_at=Now()
        )
