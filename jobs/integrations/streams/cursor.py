"""Store the position of the streams and the lease of the publisher, in one `event_cursors` row."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from auteur.core.work import liveness
from auteur.core.work.leases import LeaseLostError
from jobs.models import EventCursor

NAME = "streams"
LEASE = timedelta(seconds=settings.WORKER_LEASE_SECONDS)
"""How long a move or renewal is valid. Afterwards another process may publish."""


def select_row() -> QuerySet[EventCursor]:
    """Return the row, which exists once a process has published."""
    return EventCursor.objects.filter(name=NAME)


def acquire(holder: str) -> int | None:
    """Claim the cursor and return its position. None if another process has it and may be alive."""
    EventCursor.objects.bulk_create([EventCursor(name=NAME)], ignore_conflicts=True)
    previous_holder = select_row().values_list("holder", flat=True).get()
    is_free = Q(holder=None) | Q(holder=holder) | Q(held_until__lte=Now())
    if previous_holder and liveness.is_process_dead(previous_holder):
        is_free |= Q(holder=previous_holder)
    if not select_row().filter(is_free).update(holder=holder, held_until=Now() + LEASE):
        return None
    return select_row().values_list("position", flat=True).get()


def move(holder: str, before: int, after: int, **more: Any) -> None:
    """Move the cursor and renew the lease. Raise ``LeaseLostError``."""
    own_row = select_row().filter(holder=holder, position=before)
    if not own_row.update(position=after, held_until=Now() + LEASE, **more):
        raise LeaseLostError


def release(holder: str) -> None:
    """Release the cursor, so that another process can claim it at once."""
    select_row().filter(holder=holder).update(holder=None, held_until=None)
