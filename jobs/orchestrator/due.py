"""Claim the attempts that are due by ``wake_at``, and delay them in the same statement.

If the orchestrator that claimed an attempt dies before it acts, or its message is lost, the attempt
is due again later.
"""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from jobs import sql, watermarks
from jobs.calls.deadlines import DELIVERY_LIMIT, START_GRACE, is_in_time
from jobs.features.registry import features
from jobs.publishing import WakeUp, queues_with_capacity
from jobs.states import COMPLETED_QUEUE, COMPLETED_STATES, FEATURE_STATES, AttemptState

TAKEN_AT_ONCE = 500
"""Jobs that are claimed per round."""
AGAIN_AFTER = timedelta(seconds=5)
MAX_AGAIN_AFTER = timedelta(seconds=60)

PLAIN_STATES = (*FEATURE_STATES, *COMPLETED_STATES, AttemptState.RUNNING)
"""States without anything to decide: the attempt is woken, or its call is polled."""


def types_with_capacity(queues: Collection[str]) -> list[str]:
    """Return the features whose first steps use one of these queues."""
    return [feature.name for feature in features().values() if feature.queue in queues]


def claim_wake_ups(queues: Collection[str] | None = None) -> list[WakeUp]:
    """Claim the due attempts of the steps that use these queues.

    Without ``queues``, the queues with capacity are read from the broker, which raises one of
    ``BROKER_OUTAGES``.
    """
    if queues is None:
        queues = queues_with_capacity()
    return claim_due(
        states=FEATURE_STATES,
        types=types_with_capacity(queues),
        states_of_all=COMPLETED_STATES if COMPLETED_QUEUE in queues else (),
    )


def claim_polls() -> list[UUID]:
    """Claim the due attempts whose calls run, and return their ids."""
    return [wake_up.attempt_id for wake_up in claim_due(states_of_all=[AttemptState.RUNNING])]


def claim_due(
    *,
    states: Collection[AttemptState] = (),
    types: Collection[str] = (),
    states_of_all: Collection[AttemptState] = (),
) -> list[WakeUp]:
    """Claim due attempts before their deadline.

    These are the attempts in ``states`` of jobs of ``types``, and the attempts in
    ``states_of_all``. Unless they change their state, they are due again after `AGAIN_AFTER`, and
    later each time.
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
    """Return the filter for due jobs that `claim_due` does not claim: they need a decision."""
    plain = Q(attempt__state__in=PLAIN_STATES, type__in=list(features())) & is_in_time()
    due = Q(
        wake_at__gte=watermarks.current_watermarks().wake_at,
        wake_at__lte=Now(),
        attempt__isnull=False,
    )
    return due & ~plain
