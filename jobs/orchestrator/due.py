"""What is due by ``wake_at``: taken by one orchestrator, and put off in the same statement.

So whoever dies before acting on it, or whose message is lost, only costs it time.
"""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from auteur.database import execute
from jobs.features.registry import features
from jobs.models import DELIVERING, AttemptState
from jobs.publishing import (
    COMPLETED_QUEUE,
    COMPLETED_STATES,
    FEATURE_STATES,
    WakeUp,
    queues_with_room,
)

TAKEN_AT_ONCE = 500
"""Jobs taken per round."""
AGAIN_AFTER = timedelta(seconds=10)
MAX_AGAIN_AFTER = timedelta(seconds=60)

PLAIN_STATES = (*FEATURE_STATES, *COMPLETED_STATES, AttemptState.RUNNING)
"""States in which there is nothing to decide: the attempt is woken, or its call asked after."""

TAKE = """
WITH due AS (
    SELECT j.id AS job_id, j.type, a.id AS attempt_id, a.state, a.publications, a.faults
    FROM jobs j JOIN job_attempts a ON a.id = j.attempt_id
    WHERE j.wake_at <= statement_timestamp() AND j.attempt_id IS NOT NULL
      AND j.type = ANY(%(types)s) AND a.state = ANY(%(states)s)
      AND (j.deadline_at > statement_timestamp() OR a.state = ANY(%(delivering)s))
    ORDER BY j.wake_at, j.id LIMIT %(at_once)s
    FOR NO KEY UPDATE OF j, a SKIP LOCKED
),
job AS (
    UPDATE jobs
    SET wake_at = statement_timestamp() + least(%(again)s * (1 + publications), %(max_again)s)
    FROM due WHERE jobs.id = due.job_id
),
attempt AS (
    UPDATE job_attempts SET publications = due.publications + 1
    FROM due WHERE job_attempts.id = due.attempt_id
)
SELECT attempt_id, state, type, faults FROM due"""


def to_wake() -> list[WakeUp]:
    """Due attempts that are simply woken, where their queues have room; raises ``RedisError``."""
    room = queues_with_room()
    first = [feature.name for feature in features().values() if feature.queue in room]
    second = list(features()) if COMPLETED_QUEUE in room else []
    return [
        *take(states=FEATURE_STATES, types=first),
        *take(states=COMPLETED_STATES, types=second),
    ]


def to_ask_after() -> list[UUID]:
    """Due attempts whose calls run."""
    return [due.attempt_id for due in take(states=[AttemptState.RUNNING], types=list(features()))]


def take(*, states: Collection[AttemptState], types: Collection[str]) -> list[WakeUp]:
    """Due attempts in these states, of jobs of these types before their deadlines.

    They come back after `AGAIN_AFTER`, and later each time, unless they move on.
    """
    if not types:
        return []
    values = {
        "states": list(states),
        "types": list(types),
        "delivering": list(DELIVERING),
        "at_once": TAKEN_AT_ONCE,
        "again": AGAIN_AFTER,
        "max_again": MAX_AGAIN_AFTER,
    }
    return [
        WakeUp(attempt_id, AttemptState(state), name, faults)
        for attempt_id, state, name, faults in execute(TAKE, values)
    ]


def to_decide() -> Q:
    """Due jobs that `take` leaves alone, whatever it is asked for."""
    plain = Q(attempt__state__in=PLAIN_STATES, type__in=list(features())) & (
        Q(deadline_at__gt=Now()) | Q(attempt__state__in=DELIVERING)
    )
    return Q(wake_at__lte=Now(), attempt__isnull=False) & ~plain
