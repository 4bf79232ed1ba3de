"""Attempts: the first, and further ones."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce, Now

from jobs.features.base import Feature
from jobs.features.registry import feature_of
from jobs.lifecycle.locking import JobFinished, lock_job, record, stop_call
from jobs.models import DELIVERING, ENDED, IN_POOL, OPEN, Attempt, AttemptState, Job
from jobs.wakeup import nudge_on_commit


def begin_first_attempts(*, feature: Feature, jobs: Collection[Job]) -> None:
    """Give locked pending jobs of one feature their first attempts."""
    attempts = [_attempt(feature, job, 1) for job in jobs]
    Attempt.objects.bulk_create(attempts)
    own = Attempt.objects.filter(job_id=OuterRef("pk")).values("pk")[:1]
    Job.objects.filter(pk__in=[job.pk for job in jobs], attempt=None, status__in=OPEN).update(
        attempt_id=Subquery(own), wake_at=Now(), deadline_at=Now() + feature.run_limit
    )


def _attempt(feature: Feature, job: Job, number: int) -> Attempt:
    return Attempt(
        job=job,
        number=number,
        backend=feature.backend,
        engine=feature.engine,
        gpu_class=job.gpu_class,
    )


@transaction.atomic
def begin_attempt(*, job: Job, after: timedelta = timedelta(0)) -> Attempt:
    """Give a locked open job its next attempt; the one before it, if any, ends as failed."""
    feature = feature_of(job.type)
    number = 1
    if job.attempt is not None:
        number = job.attempt.number + 1
        stop_call(job.attempt)
        Attempt.objects.filter(pk=job.attempt.pk).update(
            state=AttemptState.FAILED, finished_at=Now()
        )
        record([job], "retrying", attempt=number, error_code=job.attempt.error_code)
    attempt = _attempt(feature, job, number)
    attempt.save(force_insert=True)
    Job.objects.filter(pk=job.pk, status__in=OPEN).update(
        attempt=attempt,
        progress=0.0,
        wake_at=Now() + after,
        deadline_at=Coalesce(F("deadline_at"), Now() + feature.run_limit),
    )
    return attempt


@transaction.atomic
def requeue(*, job_id: UUID, by: str, reason: str = "") -> Attempt:
    """Give a stuck open job a new attempt, by a person's hand; raises ``JobFinished``."""
    job = lock_job(job_id)
    if job.status in ENDED or (job.attempt and job.attempt.state in DELIVERING):
        raise JobFinished
    attempt = begin_attempt(job=job)
    record([job], "requeued", by=by, reason=reason)
    nudge_on_commit()
    return attempt


def in_pool(gpu_class: str) -> int:
    """How many places of a GPU class are taken."""
    return Attempt.objects.filter(gpu_class=gpu_class, state__in=IN_POOL).count()
