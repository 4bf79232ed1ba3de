"""Define how long a worker may hold an attempt for a step, and renew that lease."""

import time
from collections.abc import Callable
from datetime import timedelta

from django.db.models.functions import Now

from jobs.models import Attempt
from jobs.states import CLAIMED

STEP_LEASE = timedelta(seconds=60)
"""Longest time that a worker may hold an attempt for a step without renewing the lease."""
RENEWED_AFTER_SECONDS = 10.0


def build_lease_renewer(attempt: Attempt) -> Callable[[], None]:
    """Return a function that renews the attempt's lease, called often while a step works on it.

    It does not renew the lease of an attempt that another worker has claimed since.
    """
    renewed_at = time.monotonic()

    def renew() -> None:
        nonlocal renewed_at
        if time.monotonic() - renewed_at < RENEWED_AFTER_SECONDS:
            return
        renewed_at = time.monotonic()
        claims = Attempt.objects.filter(pk=attempt.pk, worker=attempt.worker, state__in=CLAIMED)
        claims.update(lease_expires_at=Now() + STEP_LEASE)

    return renew
