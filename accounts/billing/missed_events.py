"""Events that the webhook missed: Stripe lists what happened for thirty days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import Max

from accounts.billing import client, clock, events, stripe_objects
from accounts.billing.event_handlers import HANDLERS
from accounts.billing.models import BillingEvent

LISTED_DAYS = 30
"""For which Stripe lists events."""
OVERLAP = timedelta(days=3)
"""Before the last event that we know: for so long Stripe tries to deliver one that we missed."""
AT_ONCE = 500
MAX_LISTED = 100_000
"""Events of one run."""


@dataclass(frozen=True)
class Synced:
    """What a run has found; it is not complete where there were more than it looks at."""

    since: datetime
    listed: int
    found: int
    is_complete: bool


def fetch_missed_events(*, days: int | None = None, most: int = MAX_LISTED) -> Synced:
    """Store what we have missed since the last event that we know, or in so many days.

    Raises ``ValueError`` for days that Stripe does not list, and the errors of `client`.
    """
    since = _since(days)
    listed = found = 0
    newest_first = client.list_events(int(since.timestamp()), sorted(HANDLERS))
    for batch in _batches(islice(newest_first, most)):
        listed += len(batch)
        found += events.store_events(batch, is_found=True)
    return Synced(since, listed, found, listed < most)


def _since(days: int | None) -> datetime:
    if days is not None and not 1 <= days <= LISTED_DAYS:
        raise ValueError(f"Stripe lists events of 1 to {LISTED_DAYS} days")
    now = clock.now()
    earliest = now - timedelta(days=days or LISTED_DAYS)
    last = BillingEvent.objects.aggregate(last=Max("happened_at"))["last"]
    if days is not None or last is None:
        return earliest
    return max(earliest, min(now, last) - OVERLAP)


def _batches(found: Iterator[stripe_objects.Event]) -> Iterator[list[stripe_objects.Event]]:
    while batch := list(islice(found, AT_ONCE)):
        yield batch
