"""What is due by ``wake_at``: one orchestrator takes it, and delays it in the same statement.

If that orchestrator dies before it acts, or its message is lost, the attempt is due again later.
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
"""States in which there is nothing to decide: the attempt is woken, or its call polled."""


def to_wake() -> list[WakeUp]:
    """Due attempts of the steps whose queues have room; raises one of ``BROKER_OUTAGES``."""
    room = queues_with_room()
    first = [feature.name for feature in features().values() if feature.queue in room]
    second = list(features()) if COMPLETED_QUEUE in room else []
    return [
        *take(states=FEATURE_STATES, types=first),
        *take(states=COMPLETED_STATES, types=second),
    ]


def to_poll() -> list[UUID]:
    """Due attempts whose calls run."""
    return [due.attempt_id for due in take(states=[AttemptState.RUNNING], types=list(features()))]


def take(*, states: Collection[AttemptState], types: Collection[str]) -> list[WakeUp]:
    """Due attempts in these states, of jobs of these types before their deadlines.

    Unless they move on, they are due again after `AGAIN_AFTER`, and later each time.
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
    """Due jobs that no call of `take` finds: there is something to decide about them."""
    plain = Q(attempt__state__in=PLAIN_STATES, type__in=list(features())) & (
        Q(deadline_at__gt=Now()) | Q(attempt__state__in=DELIVERING)
    )
    return Q(wake_at__lte=Now(), attempt__isnull=False) & ~plain
