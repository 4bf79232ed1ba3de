"""Lock a single job, end its attempt and record its events, for all transitions of one job.

Transitions of many attempts at once lock them by `mine` in `jobs.queries.sql`.
"""

from typing import Any
from uuid import UUID

from django.db.models.functions import Coalesce, Now

from auteur.core.api.problems import NotFoundProblem, Problem, Resource
from jobs.models import Attempt, Event, Job
from jobs.states import DELIVERING, ENDED, MAY_RUN


class JobFinishedProblem(Problem):
    """Too late: the job has ended, or its result is being delivered."""

    status_code = 409
    default_code = "job_finished"
    default_detail = "The job has already ended, or its result is being delivered."


class JobWaitsForMediaProblem(Problem):
    """The job has no price yet, so nothing can be tried."""

    status_code = 409
    default_code = "job_waits_for_media"
    default_detail = "The job waits for its media to be checked: it begins by itself."


def lock_job(**lookup: UUID) -> Job:
    """Return the job, locked; raise ``NotFoundProblem`` if there is none."""
    # A later statement reads the attempt: a join here would return it as it was before we waited
    # for the lock.
    job = Job.objects.select_for_update(no_key=True).filter(**lookup).first()
    if job is None:
        raise NotFoundProblem(Resource.JOB)
    return job


def is_too_late(job: Job) -> bool:
    """Return True if a locked job can no longer be cancelled, requeued or given up."""
    return job.status in ENDED or (job.attempt is not None and job.attempt.state in DELIVERING)


def end_attempt(attempt: Attempt, **values: Any) -> None:
    """End a locked job's attempt, and request the stop of a call that may run.

    The stop is requested even if the id of the call is not known yet.
    """
    if attempt.state in MAY_RUN:
        values["stop_requested_at"] = Coalesce("stop_requested_at", Now())
    Attempt.objects.filter(pk=attempt.pk).update(finished_at=Now(), **values)


def record(job: Job, type: str, **data: Any) -> None:
    """Write an event of the locked job in the current transaction (docs/decisions/0028)."""
    Event.objects.create(job_id=job.pk, user_id=job.user_id, type=type, data=data)
