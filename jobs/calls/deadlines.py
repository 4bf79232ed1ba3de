"""Define how long a job may take: to be dispatched, to run, and to be delivered."""

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from jobs.states import HAS_OUTCOME

START_GRACE = timedelta(minutes=30)
"""Time of an admitted job beyond its ``start_deadline_at`` until its first call is dispatched."""
OUTAGE_ALLOWANCE = timedelta(hours=24)
"""The longest time by which lost attempts may extend the run deadline of a job."""
DELIVERY_LIMIT = timedelta(days=3)
"""Time from the report of a call until its result must be delivered, without a run deadline."""


def is_in_time(*, job: str = "", attempt: str = "attempt__") -> Q:
    """Return the filter for rows whose attempt is within the deadline of its state.

    ``job`` and ``attempt`` are the prefixes of the columns of each. The statement `take_due` has
    the same condition.
    """
    has_outcome = Q(**{f"{attempt}state__in": HAS_OUTCOME})
    delivers = Q(**{f"{attempt}reported_at": None}) | Q(
        **{f"{attempt}reported_at__gt": Now() - DELIVERY_LIMIT}
    )
    starts = Q(
        **{f"{job}deadline_at": None, f"{job}start_deadline_at__gt": Now() - START_GRACE},
    )
    runs = Q(**{f"{job}deadline_at__gt": Now()})
    return (has_outcome & delivers) | (~has_outcome & (starts | runs))
