"""What transitions of a single job share: its lock, the end of an attempt, events.

Those of many attempts at once lock them by `mine` in `jobs.queries.sql`.
"""

from typing import Any
from uuid import UUID

from django.db.models.functions import Coalesce, Now

from auteur.api.problems import NotFoundProblem, Problem, Resource
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


def lock_job(**which: UUID) -> Job:
    """The job, locked; raises ``NotFoundProblem``."""
    # The attempt is read later, by a statement of its own: one joined here would be as it was
    # before we waited for the lock.
    job = Job.objects.select_for_update(no_key=True).filter(**which).first()
    if job is None:
        raise NotFoundProblem(Resource.JOB)
    return job


def is_too_late(job: Job) -> bool:
    """Whether a locked job can no longer be cancelled, requeued or given up."""
    return job.status in ENDED or (job.attempt is not None and job.attempt.state in DELIVERING)


def end_attempt(attempt: Attempt, **values: Any) -> None:
    """End a locked job's attempt, and ask for the stop of a call that may run, even if its id is
    not known yet.
    """
    if attempt.state in MAY_RUN:
        values["stop_requested_at"] = Coalesce("stop_requested_at", Now())
    Attempt.objects.filter(pk=attempt.pk).update(finished_at=Now(), **values)


def record(job: Job, type: str, **data: Any) -> None:
    """Write what happened to the locked job, in the present transaction (docs/decisions/0028)."""
    Event.objects.create(job_id=job.pk, user_id=job.user_id, type=type, data=data)
