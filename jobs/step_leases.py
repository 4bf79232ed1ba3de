"""How long a worker may hold an attempt for a step, and how one that takes longer goes on."""

import time
from collections.abc import Callable
from datetime import timedelta

from django.db.models.functions import Now

from jobs.models import Attempt
from jobs.states import CLAIMED

STEP_LEASE = timedelta(seconds=60)
"""Longest that a worker may hold an attempt for a step without saying so."""
RENEWED_AFTER_SECONDS = 10.0


def build_lease_renewer(attempt: Attempt) -> Callable[[], None]:
    """To be called now and then while a step works on the attempt: its lease is renewed.

    One that is another's by now stays so.
    """
    renewed_at = time.monotonic()

    def renew() -> None:
        nonlocal renewed_at
        if time.monotonic() - renewed_at < RENEWED_AFTER_SECONDS:
            return
        renewed_at = time.monotonic()
        held = Attempt.objects.filter(pk=attempt.pk, worker=attempt.worker, state__in=CLAIMED)
        held.update(lease_expires_at=Now() + STEP_LEASE)

    return renew
