"""Attempts: the first, and further ones."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from auteur.database import execute
from jobs.features.base import Feature
from jobs.features.registry import feature_of, features
from jobs.lifecycle.locking import JobFinished, lock_job, record, stop_call
from jobs.models import DELIVERING, ENDED, IN_POOL, OPEN, Attempt, AttemptState, Job
from jobs.wakeup import nudge_on_commit

FIRST = """
WITH feature AS (
    SELECT * FROM jsonb_to_recordset(%(features)s::jsonb) AS feature (
        type text, backend text, engine text, run_seconds float, at_once int
    )
),
taken AS (
    SELECT count(*) AS places FROM job_attempts
    WHERE gpu_class = %(gpu_class)s AND state = ANY(%(in_pool)s)
),
busy AS (
    SELECT user_id, count(*) AS places FROM job_attempts a JOIN jobs j ON j.id = a.job_id
    WHERE %(is_limited)s AND a.gpu_class = %(gpu_class)s AND a.state = ANY(%(in_pool)s)
    GROUP BY user_id
),
running AS (
    SELECT type, count(*) AS places FROM job_attempts a JOIN jobs j ON j.id = a.job_id
    WHERE a.gpu_class = %(gpu_class)s AND a.state = ANY(%(in_pool)s)
      AND type IN (SELECT type FROM feature WHERE at_once IS NOT NULL)
    GROUP BY type
),
next AS (
    SELECT j.id, j.user_id, j.gpu_class, j.turn, feature.*,
           coalesce((%(user_limits)s::jsonb ->> coalesce(j.plan, ''))::int, %(user_limit)s)
               - coalesce(busy.places, 0) AS may_take,
           at_once - coalesce(running.places, 0) AS may_run
    FROM jobs j JOIN feature USING (type) LEFT JOIN busy USING (user_id)
         LEFT JOIN running USING (type)
    WHERE j.status = 'pending' AND j.attempt_id IS NULL AND j.gpu_class = %(gpu_class)s
      AND j.wake_at <= statement_timestamp()
      AND (at_once IS NULL OR at_once > coalesce(running.places, 0))
      AND coalesce(busy.places, 0)
          < coalesce((%(user_limits)s::jsonb ->> coalesce(j.plan, ''))::int, %(user_limit)s)
    ORDER BY j.turn, j.created_at
    LIMIT (SELECT greatest(0, least(%(at_once)s, %(limit)s - places)) FROM taken)
    FOR NO KEY UPDATE OF j SKIP LOCKED
),
admitted AS (
    SELECT * FROM (
        SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY turn) AS number,
               row_number() OVER (PARTITION BY type ORDER BY turn) AS number_of_type FROM next
    ) AS numbered
    WHERE number <= may_take AND (may_run IS NULL OR number_of_type <= may_run)
),
attempt AS (
    INSERT INTO job_attempts
        (id, job_id, number, state, backend, engine, gpu_class, progress, publications, faults)
    SELECT gen_random_uuid(), id, 1, 'queued', backend, engine, gpu_class, 0, 0, 0 FROM admitted
    RETURNING id, job_id
),
pool AS (
    UPDATE gpu_pools SET clock = greatest(clock, latest.turn)
    FROM (SELECT max(turn) AS turn FROM admitted) AS latest
    WHERE gpu_class = %(gpu_class)s AND clock < latest.turn
)
UPDATE jobs
SET attempt_id = attempt.id, wake_at = statement_timestamp(),
    deadline_at = statement_timestamp() + make_interval(secs => run_seconds)
FROM attempt JOIN admitted ON admitted.id = attempt.job_id WHERE jobs.id = attempt.job_id
RETURNING jobs.id"""

NO_LIMIT = 2**31 - 1


def begin_first_attempts(*, gpu_class: str, limit: int, at_once: int) -> int:
    """Give pending jobs of a class, in turns, their first attempts while it has room; how many.

    The caller holds the class's lock. ``limit`` is of attempts in flight, and so are those of one
    user by setting, and of one feature by its contract.
    """
    limits = settings.MAX_IN_FLIGHT_BY_PLAN
    values = {
        "features": json.dumps([_admission(feature) for feature in features().values()]),
        "gpu_class": gpu_class,
        "in_pool": list(IN_POOL),
        "limit": limit,
        "at_once": at_once,
        "is_limited": bool(limits or settings.MAX_IN_FLIGHT),
        "user_limits": json.dumps(limits),
        "user_limit": settings.MAX_IN_FLIGHT or NO_LIMIT,
    }
    return len(execute(FIRST, values))


def _admission(feature: Feature) -> dict[str, Any]:
    return {
        "type": feature.name,
        "backend": feature.backend,
        "engine": feature.engine,
        "run_seconds": feature.run_limit.total_seconds(),
        "at_once": feature.at_once,
    }


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
