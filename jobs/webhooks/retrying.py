"""When a delivery is tried again, and when no more."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from jobs.webhooks.models import DeliveryError

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
"""After each try that failed; all together three days. No try follows the last one."""
JITTER = 0.2
"""Share by which a wait may be longer, never shorter."""
MAX_RETRY_AFTER = timedelta(hours=6)
"""Most that a receiver can have us wait beyond the schedule."""
DISABLED_AFTER = timedelta(days=3)
"""Since the first of an endpoint's tries that all failed."""
FINAL = frozenset(
    {
        DeliveryError.GONE,
        DeliveryError.URL_REFUSED,
        DeliveryError.ENDPOINT_DISABLED,
        DeliveryError.ENDPOINT_DELETED,
    }
)
"""Errors after which no try is made."""


def wait_after(*, tries: int, error: DeliveryError, asked: timedelta | None) -> timedelta | None:
    """How long to wait after the given number of tries; None: no more.

    ``asked`` is the receiver's wish.
    """
    if error in FINAL or tries > len(RETRY_AFTER):
        return None
    wait = RETRY_AFTER[tries - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311
    return max(wait, min(asked or wait, MAX_RETRY_AFTER))


def asked_wait(header: str | None) -> timedelta | None:
    """What `Retry-After` says: seconds, or a date."""
    if header is None:
        return None
    if header.isascii() and header.isdecimal():
        return min(timedelta(seconds=int(header[:9])), MAX_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)
