"""Read jobs as clients see them."""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from auteur.core.api.problems import NotFoundProblem, Resource
from gpu_tasks.runtime.errors import get_policy
from jobs import outputs, sql, status
from jobs.calls import circuits
from jobs.calls.capacity import class_limit
from jobs.estimates.durations import History, Run, RunningJob
from jobs.features.registry import features, get_feature
from jobs.models import Attempt, Job, UserEvent
from jobs.states import OPEN, WITHOUT_MACHINE, ClientStatus
from media import results
from media.models import MediaFile, VoiceClone
from media.storage import object_storage

RECENT_JOBS = 100
HISTORY_SECONDS = 10
"""How long a process caches the last jobs of a feature."""
Share = Literal["p50", "p90"]
MAX_RETRIES_SHOWN = 20
"""Retries of one job that a response lists at most."""

MAX_USES_SHOWN = 100
"""Open jobs that an error lists at most, if a user wants to delete their input."""

MAX_COUNTED = 500
"""Jobs of a feature before a waiting one that are counted; how many more there are is estimated."""

MAX_JOBS_WITH_ID = 200
"""Jobs that a search by id returns at most. A batch of a request has at most 100."""


@dataclass(frozen=True)
class DurationStatistics:
    """Seconds of a feature's last jobs from request to result; None without any."""

    p50: float | None
    p90: float | None


def compute_duration_statistics(feature: str) -> DurationStatistics:
    """Return the statistics of the last `RECENT_JOBS` completed jobs of a feature."""
    ((seconds,),) = sql.run("recent_seconds", type=feature, limit=RECENT_JOBS)
    return DurationStatistics(*(seconds or (None, None)))


def get_history(feature: str) -> History:
    """Return the last `RECENT_JOBS` completed jobs of a feature, as of a few seconds ago."""
    return _history(feature, time.monotonic() // HISTORY_SECONDS)


@lru_cache(maxsize=64)
def _history(feature: str, _period: float) -> History:
    rows = sql.run("recent_runs", type=feature, limit=RECENT_JOBS)
    runs = [Run(seconds, price, tuple(tenths)) for seconds, price, tenths in rows]
    return History(runs, get_feature(feature).expected_seconds)


def list_jobs(user_id: UUID) -> QuerySet[Job]:
    """Return the user's jobs with their current attempts.

    ``lost_because`` is the error message of the attempt before the current one, if any.
    """
    previous = Attempt.objects.filter(job=OuterRef("pk"), number=OuterRef("attempt__number") - 1)
    return (
        Job.objects.filter(user_id=user_id)
        .select_related("attempt")
        .defer("attempt__payload", "attempt__outcome", "attempt__result")
        .annotate(lost_because=Subquery(previous.values("error_message")))
    )


def get_job(*, user_id: UUID, job_id: UUID) -> Job:
    """Return the user's job; raise ``NotFoundProblem`` for one that is not theirs."""
    job = list_jobs(user_id).filter(pk=job_id).first()
    if job is None:
        raise NotFoundProblem(Resource.JOB)
    return job


def annotate_retries(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Annotate the jobs with ``retry_ids``, the ids of their retries, newest first."""
    retries = Job.objects.filter(retry_of=OuterRef("pk"), user=OuterRef("user_id"))
    newest_ids = retries.order_by("-created_at", "-pk").values("pk")[:MAX_RETRIES_SHOWN]
    return jobs.annotate(retry_ids=ArraySubquery(newest_ids))


def list_retries(job: Job) -> list[UUID]:
    """Return the ids of the job's retries, newest first."""
    job_with_retries: Any = job
    if not hasattr(job, "retry_ids"):
        job_with_retries = annotate_retries(Job.objects.filter(pk=job.pk).only("pk")).get()
    ids: list[UUID] = job_with_retries.retry_ids
    return ids


def find_jobs(text: str) -> set[UUID]:
    """Find the jobs of an attempt, a call or a request with this id; each has an index."""
    attempts = Attempt.objects.filter(call_id=text)
    with suppress(ValueError):
        attempts |= Attempt.objects.filter(pk=UUID(text))
    events = UserEvent.objects.filter(internal__has_key="request_id", internal__request_id=text)
    return {
        job_id
        for rows in (attempts, events)
        for job_id in rows.values_list("job_id", flat=True)[:MAX_JOBS_WITH_ID]
    }


def get_user_params(job: Job) -> Any:
    """Return the parameters that the user gave; in old jobs they are mixed with derived ones."""
    feature = features().get(job.type)
    if job.derived_params is not None or feature is None:
        return job.input_params
    return feature.get_user_parameters(job)


def build_error(job: Job) -> dict[str, Any] | None:
    """Return the error for `JobErrorSerializer`."""
    if job.error_code is None:
        return None
    return {
        "code": job.error_code,
        "message": job.error_message,
        "retryable": get_policy(job.error_code).retryable,
    }


def compute_queue_position(job: Job) -> int | None:
    """Return its position among jobs that wait for a machine of its class, from 1.

    Return None once it has a machine, and while its media is being checked. At most
    ``MAX_COUNTED`` jobs of each feature are counted; how many more wait before it is estimated, as
    if they were equally dense.
    """
    if not status.is_waiting(job) or status.waits_for(job):
        return None
    waiting_for_machines = Attempt.objects.filter(
        gpu_class=job.gpu_class, finished_at=None, state__in=WITHOUT_MACHINE, started_at=None
    )
    if job.attempt:
        admitted_at = job.attempt.created_at  # Jobs that were admitted together have the same time.
        is_admitted_earlier = Q(created_at__lt=admitted_at) | Q(
            created_at=admitted_at, job__rank__lt=job.rank
        )
        is_ranked_equally = Q(
            created_at=admitted_at, job__rank=job.rank, job__created_at__lt=job.created_at
        )
        return waiting_for_machines.filter(is_admitted_earlier | is_ranked_equally).count() + 1
    ((count,),) = sql.run(
        "count_before",
        gpu_class=job.gpu_class,
        types=list({*features(), job.type}),
        rank=job.rank,
        created_at=job.created_at,
        most=MAX_COUNTED,
    )
    return waiting_for_machines.count() + int(count) + 1


def estimate_start(job: Job, position: int | None) -> datetime | None:
    """Return when the job may start from this `queue_position`.

    The estimate assumes that all jobs before it take as long as the last ones of its feature.
    Return None while its feature is impaired, because the end of an outage is unknown.
    """
    if job.type in features() and circuits.open_circuits_of(get_feature(job.type)):
        return None
    if position is None:
        return None
    limit = max(1, class_limit(job.gpu_class))
    seconds = get_history(job.type).usual_seconds * position / limit
    return timezone.now() + timedelta(seconds=seconds)


def estimate_end(job: Job, *, share: Share) -> datetime | None:
    """Return when this share of such jobs has ended; never in the past.

    Return None if the job does not run, or if too few jobs took so long.
    """
    started_at = (
        status.find_started_at(job)
        if status.get_client_status(job) == ClientStatus.PROCESSING
        else None
    )
    if started_at is None or job.attempt is None:
        return None
    now = timezone.now()
    running = RunningJob(
        seconds=(now - started_at).total_seconds(),
        credits=job.credits_cost,
        progress=job.progress,
        reported_seconds=((job.attempt.progress_at or now) - started_at).total_seconds(),
    )
    seconds = getattr(get_history(job.type).forecast(running), share)
    return None if seconds is None else started_at + timedelta(seconds=seconds)


def build_output(job: Job) -> dict[str, Any] | None:
    """Return the output with a fresh signed URL for each stored object (``…_key``) and media file.

    Raises ``STORAGE_ERRORS`` if a part of it lies in an object.
    """
    stored_output = outputs.load_output(job.type, job.output_data)
    if stored_output is None:
        return None
    output: dict[str, Any] = {}
    for name, value in stored_output.items():
        if name.endswith("_key"):
            output[f"{name.removesuffix('_key')}_url"] = object_storage().presigned_get(value)
        elif name == "media":
            output[name] = results.list_downloads(value)
        else:
            output[name] = value
    return output


def list_open_jobs_reading(media: MediaFile) -> list[str]:
    """List open jobs that read a media file, as sentences for the user who deletes it."""
    return _describe_open_jobs(
        Job.objects.filter(user_id=media.user_id, media_ids__contains=[media.pk])
    )


def list_open_jobs_using_voice(voice: VoiceClone) -> list[str]:
    """List open jobs that speak with a voice, as sentences for the user who deletes it."""
    return _describe_open_jobs(
        Job.objects.filter(user_id=voice.user_id, input_params__voice_id=str(voice.pk))
    )


def _describe_open_jobs(jobs: QuerySet[Job]) -> list[str]:
    open_jobs = jobs.filter(status__in=OPEN).order_by("-created_at", "-pk")
    rows = open_jobs.values_list("pk", "type")[:MAX_USES_SHOWN]
    return [f"job {pk} ({type_})" for pk, type_ in rows]
