"""What is due by ``wake_at``: taken by one orchestrator, and put off in the same statement.

So whoever dies before acting on it, or whose message is lost, only costs it time.
"""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from jobs import sql
from jobs.features.registry import features
from jobs.publishing import WakeUp, queues_with_room
from jobs.states import COMPLETED_QUEUE, COMPLETED_STATES, DELIVERING, FEATURE_STATES, AttemptState

TAKEN_AT_ONCE = 500
"""Jobs taken per round."""
AGAIN_AFTER = timedelta(seconds=10)
MAX_AGAIN_AFTER = timedelta(seconds=60)

PLAIN_STATES = (*FEATURE_STATES, *COMPLETED_STATES, AttemptState.RUNNING)
"""States in which there is nothing to decide: the attempt is woken, or its call asked after."""


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
    rows = sql.run(
        "take_due",
        states=list(states),
        types=list(types),
        at_once=TAKEN_AT_ONCE,
        again=AGAIN_AFTER,
        max_again=MAX_AGAIN_AFTER,
    )
    return [
        WakeUp(pk, AttemptState(state), name, crash_count) for pk, state, name, crash_count in rows
    ]


def to_decide() -> Q:
    """Due jobs that `take` leaves alone, whatever it is asked for."""
    plain = Q(attempt__state__in=PLAIN_STATES, type__in=list(features())) & (
        Q(deadline_at__gt=Now()) | Q(attempt__state__in=DELIVERING)
    )
    return Q(wake_at__lte=Now(), attempt__isnull=False) & ~plain
