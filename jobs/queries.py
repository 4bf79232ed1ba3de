"""What clients see of their jobs."""

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

from auteur.api.problems import NotFoundProblem, Resource
from gpu_tasks.runtime.errors import policy_of
from jobs import circuits, outputs, sql, status
from jobs.capacity import class_limit
from jobs.durations import History, Run, Running
from jobs.features.registry import features, get_feature
from jobs.models import Attempt, Job, UserEvent
from jobs.states import OPEN, WITHOUT_MACHINE, ShownStatus
from media import results
from media.models import MediaFile, VoiceClone
from media.storage import object_storage

RECENT_JOBS = 100
HISTORY_SECONDS = 10
"""How long a process goes by what it has read of a feature's last jobs."""
Share = Literal["p50", "p90"]
MAX_RETRIES_SHOWN = 20
"""Of one job, in an answer."""

MAX_USES_SHOWN = 100
"""Open jobs that are named where one wants to delete what they read."""

MOST_COUNTED = 500
"""Jobs of a feature that wait before one; how many more there are is estimated."""

MAX_JOBS_WITH_ID = 200
"""A batch of a request has at most 100."""


@dataclass(frozen=True)
class DurationStatistics:
    """Seconds that the last jobs of a feature took from request to result; None without any."""

    p50: float | None
    p90: float | None


def duration_statistics(feature: str) -> DurationStatistics:
    """Of the last `RECENT_JOBS` completed jobs of a feature."""
    ((seconds,),) = sql.run("recent_seconds", type=feature, limit=RECENT_JOBS)
    return DurationStatistics(*(seconds or (None, None)))


def get_history(feature: str) -> History:
    """How the last `RECENT_JOBS` completed jobs of a feature ran, as of a few seconds ago."""
    return _history(feature, time.monotonic() // HISTORY_SECONDS)


@lru_cache(maxsize=64)
def _history(feature: str, _while: float) -> History:
    rows = sql.run("recent_runs", type=feature, limit=RECENT_JOBS)
    runs = [Run(seconds, price, tuple(tenths)) for seconds, price, tenths in rows]
    return History(runs, get_feature(feature).expected_seconds)


def list_jobs(user_id: UUID) -> QuerySet[Job]:
    """The user's jobs with their current attempts.

    ``lost_because`` is the error message of the attempt before the current one, if any.
    """
    before = Attempt.objects.filter(job=OuterRef("pk"), number=OuterRef("attempt__number") - 1)
    return (
        Job.objects.filter(user_id=user_id)
        .select_related("attempt")
        .defer("attempt__payload", "attempt__outcome", "attempt__result")
        .annotate(lost_because=Subquery(before.values("error_message")))
    )


def get_job(*, user_id: UUID, job_id: UUID) -> Job:
    """The user's job; raises ``NotFoundProblem`` for one that is not theirs."""
    job = list_jobs(user_id).filter(pk=job_id).first()
    if job is None:
        raise NotFoundProblem(Resource.JOB)
    return job


def with_retries(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """The jobs with ``retry_ids``: those that run each of them again, the newest first."""
    again = Job.objects.filter(retry_of=OuterRef("pk"), user=OuterRef("user_id"))
    newest = again.order_by("-created_at", "-pk").values("pk")[:MAX_RETRIES_SHOWN]
    return jobs.annotate(retry_ids=ArraySubquery(newest))


def list_retries(job: Job) -> list[UUID]:
    """The jobs that run it again, the newest first."""
    known: Any = job
    if not hasattr(job, "retry_ids"):
        known = with_retries(Job.objects.filter(pk=job.pk).only("pk")).get()
    ids: list[UUID] = known.retry_ids
    return ids


def find_jobs(text: str) -> set[UUID]:
    """The jobs that an attempt, a call or a request with this id belongs to; each has an index."""
    attempts = Attempt.objects.filter(call_id=text)
    with suppress(ValueError):
        attempts |= Attempt.objects.filter(pk=UUID(text))
    requested = UserEvent.objects.filter(internal__has_key="request_id", internal__request_id=text)
    return {
        job_id
        for found in (attempts, requested)
        for job_id in found.values_list("job_id", flat=True)[:MAX_JOBS_WITH_ID]
    }


def given_params(job: Job) -> Any:
    """The parameters as their user gave them; jobs of before ``derived_params`` hold all in one."""
    feature = features().get(job.type)
    if job.derived_params is not None or feature is None:
        return job.input_params
    return feature.given(job)


def build_error(job: Job) -> dict[str, Any] | None:
    """As `JobErrorSerializer` has it."""
    if job.error_code is None:
        return None
    return {
        "code": job.error_code,
        "message": job.error_message,
        "retryable": policy_of(job.error_code).retryable,
    }


def queue_position(job: Job) -> int | None:
    """Its place among those that wait for a machine of its class, from 1; None once it has one, and
    while its media is being checked.

    Of each feature at most ``MOST_COUNTED`` are counted: how many more wait before it is estimated,
    as if they lay as close.
    """
    if not status.is_waiting(job) or status.waits_for(job):
        return None
    waiting_for_machines = Attempt.objects.filter(
        gpu_class=job.gpu_class, finished_at=None, state__in=WITHOUT_MACHINE, started_at=None
    )
    if job.attempt:
        at = job.attempt.created_at  # the same for all that were admitted together
        sooner = Q(created_at__lt=at) | Q(created_at=at, job__rank__lt=job.rank)
        first = Q(created_at=at, job__rank=job.rank, job__created_at__lt=job.created_at)
        return waiting_for_machines.filter(sooner | first).count() + 1
    ((waiting,),) = sql.run(
        "count_before",
        gpu_class=job.gpu_class,
        types=list({*features(), job.type}),
        rank=job.rank,
        created_at=job.created_at,
        most=MOST_COUNTED,
    )
    return waiting_for_machines.count() + int(waiting) + 1


def estimated_start(job: Job, position: int | None) -> datetime | None:
    """Return when it may begin from this `queue_position`, if all jobs before it take as long as
    the last ones of its feature did. None while its feature is impaired: nobody knows how long.
    """
    if job.type in features() and circuits.open_circuits_of(get_feature(job.type)):
        return None
    if position is None:
        return None
    room = max(1, class_limit(job.gpu_class))
    seconds = get_history(job.type).usual_seconds * position / room
    return timezone.now() + timedelta(seconds=seconds)


def estimated_end(job: Job, *, share: Share) -> datetime | None:
    """When this share of such jobs has ended; None while it does not run, or where too few took
    so long to say. Never in the past.
    """
    begun = status.started_at(job) if status.shown_status(job) == ShownStatus.PROCESSING else None
    if begun is None or job.attempt is None:
        return None
    now = timezone.now()
    running = Running(
        seconds=(now - begun).total_seconds(),
        credits=job.credits_cost,
        progress=job.progress,
        told_seconds=((job.attempt.progress_at or now) - begun).total_seconds(),
    )
    seconds = getattr(get_history(job.type).foresee(running), share)
    return None if seconds is None else begun + timedelta(seconds=seconds)


def build_output(job: Job) -> dict[str, Any] | None:
    """The output with a freshly signed URL for each stored object (``…_key``) and media file.

    Raises ``STORAGE_ERRORS`` where some of it lies in an object.
    """
    whole = outputs.load_output(job.type, job.output_data)
    if whole is None:
        return None
    output: dict[str, Any] = {}
    for name, value in whole.items():
        if name.endswith("_key"):
            output[f"{name.removesuffix('_key')}_url"] = object_storage().presigned_get(value)
        elif name == "media":
            output[name] = results.list_downloads(value)
        else:
            output[name] = value
    return output


def open_jobs_reading(media: MediaFile) -> list[str]:
    """Open jobs that read a media file, as sentences for the one who wants to delete it."""
    return _named(Job.objects.filter(user_id=media.user_id, media_ids__contains=[media.pk]))


def open_jobs_speaking_with(voice: VoiceClone) -> list[str]:
    """Open jobs that speak with a voice, as sentences for the one who wants to delete it."""
    return _named(Job.objects.filter(user_id=voice.user_id, input_params__voice_id=str(voice.pk)))


def _named(jobs: QuerySet[Job]) -> list[str]:
    open_ones = jobs.filter(status__in=OPEN).order_by("-created_at", "-pk")
    named = open_ones.values_list("pk", "type")[:MAX_USES_SHOWN]
    return [f"job {pk} ({type_})" for pk, type_ in named]
