"""Decide whether and when a failed delivery is retried."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from jobs.integrations.webhooks.models import DeliveryError

RETRY_AFTER = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=8),
    timedelta(hours=12),
    timedelta(hours=20),
    timedelta(hours=25),
)
"""The pause after each failed try, three days in total. No try follows the last pause."""
JITTER = 0.2
"""The largest share by which a pause is lengthened. It is never shortened."""
MAX_RETRY_AFTER = timedelta(hours=6)
"""The longest pause that a receiver can request by `Retry-After`."""
DISABLED_AFTER = timedelta(days=3)
"""How long every try of an endpoint must have failed before the endpoint is disabled."""
FINAL = frozenset(
    {
        DeliveryError.GONE,
        DeliveryError.URL_REFUSED,
        DeliveryError.ENDPOINT_DISABLED,
        DeliveryError.ENDPOINT_DELETED,
    }
)
"""Errors after which a delivery is not retried."""


def compute_wait(
    *, tries: int, error: DeliveryError, retry_after: timedelta | None
) -> timedelta | None:
    """Return how long to wait after the given number of tries, or None if no retry follows.

    ``retry_after`` is the pause that the receiver has requested.
    """
    if error in FINAL or tries > len(RETRY_AFTER):
        return None
    wait = RETRY_AFTER[tries - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311
    return max(wait, min(retry_after or wait, MAX_RETRY_AFTER))


def parse_retry_after(header: str | None) -> timedelta | None:
    """Return the pause that a `Retry-After` header requests, in seconds or until a date."""
    if header is None:
        return None
    if header.isascii() and header.isdecimal():
        return min(timedelta(seconds=int(header[:9])), MAX_RETRY_AFTER)
    try:
        retry_at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return retry_at.replace(tzinfo=retry_at.tzinfo or UTC) - datetime.now(UTC)
