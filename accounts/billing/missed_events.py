"""Fetching of events that the webhook missed, from Stripe's list of the last 30 days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import Max

from accounts.billing import client, clock, events, stripe_objects
from accounts.billing.event_handlers import HANDLERS
from accounts.billing.models import BillingEvent

LISTED_DAYS = 30
"""For how many days Stripe lists events."""
OVERLAP = timedelta(days=3)
"""How long before the last stored event a run begins: Stripe retries a delivery for 3 days."""
AT_ONCE = 500
MAX_LISTED = 100_000
"""The most events that one run examines."""


@dataclass(frozen=True)
class SyncResult:
    """The result of a run; it is incomplete if Stripe had more events than a run examines."""

    since: datetime
    listed: int
    missed: int
    is_complete: bool


def fetch_missed_events(*, days: int | None = None, limit: int = MAX_LISTED) -> SyncResult:
    """Store the missed events of the last ``days``, or since shortly before the last stored event.

    Raises ``ValueError`` for days that Stripe does not list, and the errors of `client`.
    """
    since = _find_start(days)
    listed = missed = 0
    newest_first = client.list_events(int(since.timestamp()), sorted(HANDLERS))
    for batch in _split_into_batches(islice(newest_first, limit)):
        listed += len(batch)
        missed += events.store_events(batch, is_found=True)
    return SyncResult(since, listed, missed, listed < limit)


def _find_start(days: int | None) -> datetime:
    if days is not None and not 1 <= days <= LISTED_DAYS:
        raise ValueError(
            f"{days} is not allowed, because Stripe lists events of 1 to {LISTED_DAYS} days"
        )
    now = clock.now()
    earliest = now - timedelta(days=days or LISTED_DAYS)
    last = BillingEvent.objects.aggregate(last=Max("happened_at"))["last"]
    if days is not None or last is None:
        return earliest
    return max(earliest, min(now, last) - OVERLAP)


def _split_into_batches(
    stripe_events: Iterator[stripe_objects.Event],
) -> Iterator[list[stripe_objects.Event]]:
    while batch := list(islice(stripe_events, AT_ONCE)):
        yield batch
