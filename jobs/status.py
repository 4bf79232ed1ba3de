"""Compute a job's status as clients see it: `queued` until a machine works on it.

The stored status is `processing` from the first claim on, when no call runs yet. Lists of jobs are
filtered by the shown status, too.
"""

from datetime import datetime
from typing import Literal

from django.db.models import Q

from jobs.models import Attempt, Job
from jobs.states import MEDIA_CLASS, WITHOUT_MACHINE, ClientStatus, JobStatus

RESTARTED_BY_STAFF = "It was started again by our staff."
WORKER_STOPPED = "Its worker was stopped; another takes it over."


_WAITS = Q(attempt__started_at__isnull=True, attempt__state__in=WITHOUT_MACHINE)
_RUNS = Q(attempt__started_at__isnull=False) | ~Q(attempt__state__in=WITHOUT_MACHINE)
_OPEN = Q(status=JobStatus.PROCESSING, attempt__isnull=False, wake_at__isnull=False)
"""These conditions hold for all open jobs, and let PostgreSQL use their index."""


def filter_by_status(status: str) -> Q:
    """Return the filter for jobs that are shown with this status."""
    if status == ClientStatus.QUEUED:
        return _OPEN & _WAITS
    if status == ClientStatus.PROCESSING:
        return _OPEN & _RUNS
    return Q(status=status)


def waits_for_machine(attempt: Attempt) -> bool:
    """Return True if the attempt is not on a machine yet; as in `filter_by_status`."""
    return attempt.started_at is None and attempt.state in WITHOUT_MACHINE


def get_client_status(job: Job) -> ClientStatus:
    """Return the status for a client."""
    if job.status == JobStatus.PROCESSING and job.attempt and waits_for_machine(job.attempt):
        return ClientStatus.QUEUED
    return ClientStatus(job.status)


def waits_for(job: Job) -> Literal["media"] | None:
    """Return what a pending job waits for before its turn: its media, while that is checked."""
    is_unpriced = job.status == JobStatus.PENDING and job.gpu_class == MEDIA_CLASS
    return "media" if is_unpriced else None


def is_waiting(job: Job) -> bool:
    """Return True if the job waits, to be admitted or for a machine."""
    return get_client_status(job) in (ClientStatus.PENDING, ClientStatus.QUEUED)


def find_started_at(job: Job) -> datetime | None:
    """Return when the current attempt came to its machine, or None."""
    if is_waiting(job):
        return None
    attempt_started_at = job.attempt.started_at if job.attempt else None
    return attempt_started_at or job.started_at


def find_stage(job: Job) -> str | None:
    """Return the stage that its call has reported; None while it does not run."""
    return (
        job.attempt.stage
        if job.attempt and get_client_status(job) == ClientStatus.PROCESSING
        else None
    )


def describe_restart(job: Job, reason: str | None) -> str | None:
    """Return why the work begins again; ``reason`` is why the previous attempt ended."""
    attempt = job.attempt
    if attempt is None:
        return None
    if get_client_status(job) == ClientStatus.QUEUED and attempt.progress > 0:
        return WORKER_STOPPED
    return (
        f"{reason or RESTARTED_BY_STAFF} This is attempt {attempt.number}."
        if attempt.number > 1
        else None
    )
