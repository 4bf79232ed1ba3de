"""Begin the first attempt of a job, and its retries."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Min
from django.db.models.functions import Coalesce, Now

from jobs import sql, watermarks
from jobs.calls.deadlines import OUTAGE_ALLOWANCE, START_GRACE
from jobs.features.base import Feature
from jobs.features.registry import get_feature
from jobs.lifecycle.locking import (
    JobFinishedProblem,
    JobWaitsForMediaProblem,
    end_attempt,
    is_too_late,
    lock_job,
    record,
)
from jobs.models import Attempt, Job
from jobs.states import OPEN, AttemptState
from jobs.status import waits_for
from jobs.wake_signal import wake_on_commit

NO_LIMIT = 2**31 - 1
CANDIDATE_PAGE = 1000
"""Jobs of a feature that admission reads by rank at most, if users have limits."""
CANDIDATE_USERS = 100
"""Users that admission visits in each of two directions, if the first jobs belong to users at their
limits."""


@dataclass(frozen=True)
class AttemptCount:
    """One job's count of attempts (docs/decisions/0059)."""

    counted: int
    """Attempts that count against the feature's ``max_attempts``."""
    infrastructure: int
    """Attempts that an infrastructure error ended, counted or not."""
    is_past_bound: bool
    """True if no time is left for another attempt."""


def count_attempts(*, job: Job) -> AttemptCount:
    """Count a locked job's attempts, including the current one."""
    bound = get_feature(job.type).run_limit + OUTAGE_ALLOWANCE
    (row,) = sql.run("count_attempts_of", job_id=job.pk, bound=bound, start_grace=START_GRACE)
    return AttemptCount(*row)


def begin_first_attempts(
    *,
    gpu_class: str,
    types: Collection[Feature],
    limit: int,
    at_once: int,
    with_room: Collection[str],
    again: timedelta,
) -> list[tuple[UUID, str, bool]]:
    """Give pending jobs of a GPU class their first attempts, by rank, while it has capacity.

    Return each attempt's id, the job's type, and True if the caller must wake it. Only jobs of the
    features ``types`` are admitted. The caller holds the lock of the GPU class. ``limit`` bounds
    the attempts in flight; users have such a limit by setting, features by their contracts. The
    caller has claimed attempts of the types ``with_room``, and they are due again after ``again``;
    the others are due at once.
    """
    limits, watermark = (
        settings.MAX_IN_FLIGHT_BY_PLAN,
        watermarks.current_watermarks().of(gpu_class),
    )
    rows: list[Any] = sql.run(
        "admit",
        features=json.dumps([_build_feature_row(feature, with_room) for feature in types]),
        gpu_class=gpu_class,
        from_rank=watermark.waiting_from[0],
        from_time=watermark.waiting_from[1],
        attempts_from=watermark.attempts_from,
        limit=limit,
        at_once=at_once,
        is_limited=bool(limits or settings.MAX_IN_FLIGHT),
        user_limits=json.dumps(limits),
        user_limit=settings.MAX_IN_FLIGHT or NO_LIMIT,
        page=CANDIDATE_PAGE,
        users=CANDIDATE_USERS,
        from_user=uuid4(),
        again=again,
    )
    return rows


def _build_feature_row(feature: Feature, with_room: Collection[str]) -> dict[str, Any]:
    return {
        "type": feature.name,
        "backend": feature.backend,
        "engine": feature.engine,
        "at_once": feature.at_once,
        "has_room": feature.name in with_room,
    }


@transaction.atomic
def begin_attempt(*, job: Job, after: timedelta = timedelta(0)) -> Attempt:
    """Give a locked open job its next attempt; the previous attempt, if any, ends as failed.

    The run deadline starts anew when the attempt is dispatched. Until then the job has its absolute
    bound, or the start deadline if nothing has been dispatched yet.
    """
    feature = get_feature(job.type)
    number = 1
    if job.attempt is not None:
        number = job.attempt.number + 1
        end_attempt(job.attempt, state=AttemptState.FAILED)
        code = job.attempt.error_code
        record(job, "retrying", status=job.status, attempt=number, error_code=code)
    first_dispatch = Min(Coalesce("dispatched_at", "reported_at"))
    dispatched_at = Attempt.objects.filter(job=job).aggregate(at=first_dispatch)["at"]
    attempt = Attempt.objects.create(
        job=job,
        number=number,
        backend=feature.backend,
        engine=feature.engine,
        gpu_class=job.gpu_class,
    )
    Job.objects.filter(pk=job.pk, status__in=OPEN).update(
        attempt=attempt,
        progress=0.0,
        wake_at=Now() + after,
        deadline_at=dispatched_at and dispatched_at + feature.run_limit + OUTAGE_ALLOWANCE,
    )
    return attempt


@transaction.atomic
def requeue_job(*, job_id: UUID, by: str, reason: str = "") -> Attempt:
    """Give a stuck open job a new attempt, for a member of staff.

    Raises ``JobFinishedProblem``, and ``JobWaitsForMediaProblem`` while the job has no price.
    """
    job = lock_job(pk=job_id)
    if is_too_late(job):
        raise JobFinishedProblem
    if waits_for(job):
        raise JobWaitsForMediaProblem
    attempt = begin_attempt(job=job)
    record(job, "requeued", status=job.status, by=by, reason=reason)
    wake_on_commit()
    return attempt
