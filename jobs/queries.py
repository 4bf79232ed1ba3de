"""What clients see of their jobs."""

from typing import Any
from uuid import UUID

from auteur.api.problems import NotFound
from gpu_tasks.errors import POLICIES, ErrorCode
from jobs.models import OPEN, Job, JobStatus
from media.storage import object_storage


def job_of(*, user_id: UUID, job_id: UUID) -> Job:
    """The user's job; raises ``NotFound`` for one that is not theirs."""
    job = Job.objects.filter(pk=job_id, user_id=user_id).first()
    if job is None:
        raise NotFound
    return job


def error_of(job: Job) -> dict[str, Any] | None:
    """The job's error for a client, or None."""
    if job.error_code is None:
        return None
    return {
        "code": job.error_code,
        "message": job.error_message,
        "retryable": POLICIES[ErrorCode(job.error_code)].retryable,
    }


def queue_position(job: Job) -> int | None:
    """How many wait before this one in its GPU class, counted from 1; None once admitted."""
    if job.status != JobStatus.PENDING or job.attempt_id is not None:
        return None
    ahead = Job.objects.filter(
        status=JobStatus.PENDING,
        attempt=None,
        gpu_class=job.gpu_class,
        created_at__lt=job.created_at,
    )
    return ahead.count() + 1


def output_of(job: Job) -> dict[str, Any] | None:
    """The output with a freshly signed ``…_url`` for each stored object (``…_key``)."""
    if job.output_data is None:
        return None
    output = {}
    for name, value in job.output_data.items():
        if name.endswith("_key"):
            output[f"{name.removesuffix('_key')}_url"] = object_storage().presigned_get(value)
        else:
            output[name] = value
    return output


def open_jobs_reading(media_id: UUID) -> list[str]:
    """The open jobs that read a media file, as sentences for the one who wants to delete it."""
    jobs = Job.objects.filter(media_ids__contains=[media_id], status__in=OPEN)
    return [f"job {job.pk} ({job.type})" for job in jobs]
