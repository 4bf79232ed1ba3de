"""What is due by ``wake_at``: one orchestrator takes it, and delays it in the same statement.

If that orchestrator dies before it acts, or its message is lost, the attempt is due again later.
"""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from jobs import sql, watermarks
from jobs.deadlines import DELIVERY_LIMIT, START_GRACE, is_in_time
from jobs.features.registry import features
from jobs.publishing import WakeUp, queues_with_capacity
from jobs.states import COMPLETED_QUEUE, COMPLETED_STATES, FEATURE_STATES, AttemptState

TAKEN_AT_ONCE = 500
"""Jobs taken per round."""
AGAIN_AFTER = timedelta(seconds=5)
MAX_AGAIN_AFTER = timedelta(seconds=60)

PLAIN_STATES = (*FEATURE_STATES, *COMPLETED_STATES, AttemptState.RUNNING)
"""States in which there is nothing to decide: the attempt is woken, or its call polled."""


def types_with_capacity(room: Collection[str]) -> list[str]:
    """The features whose first steps' queue is one of these."""
    return [feature.name for feature in features().values() if feature.queue in room]


def claim_wake_ups(room: Collection[str] | None = None) -> list[WakeUp]:
    """Due attempts of the steps whose queues have ``room``; without one it is asked for, which
    raises one of ``BROKER_OUTAGES``.
    """
    if room is None:
        room = queues_with_capacity()
    return claim_due(
        states=FEATURE_STATES,
        types=types_with_capacity(room),
        states_of_all=COMPLETED_STATES if COMPLETED_QUEUE in room else (),
    )


def claim_polls() -> list[UUID]:
    """Due attempts whose calls run."""
    return [due.attempt_id for due in claim_due(states_of_all=[AttemptState.RUNNING])]


def claim_due(
    *,
    states: Collection[AttemptState] = (),
    types: Collection[str] = (),
    states_of_all: Collection[AttemptState] = (),
) -> list[WakeUp]:
    """Due attempts in ``states`` of jobs of these types, and in ``states_of_all``, before their
    deadline.

    Unless they move on, they are due again after `AGAIN_AFTER`, and later each time.
    """
    if not types and not states_of_all:
        return []
    rows = sql.run(
        "take_due",
        states=list(states),
        types=list(types),
        states_of_all=list(states_of_all),
        all_types=list(features()),
        from_wake_at=watermarks.current_watermarks().wake_at,
        at_once=TAKEN_AT_ONCE,
        again=AGAIN_AFTER,
        max_again=MAX_AGAIN_AFTER,
        delivery_limit=DELIVERY_LIMIT,
        start_grace=START_GRACE,
    )
    return [
        WakeUp(pk, AttemptState(state), name, crash_count) for pk, state, name, crash_count in rows
    ]


def needs_decision() -> Q:
    """Due jobs that no call of `claim_due` finds: there is something to decide about them."""
    plain = Q(attempt__state__in=PLAIN_STATES, type__in=list(features())) & is_in_time()
    due = Q(
        wake_at__gte=watermarks.current_watermarks().wake_at,
        wake_at__lte=Now(),
        attempt__isnull=False,
    )
    return due & ~plain
