"""How far streams go, and which process may publish: one row of `event_cursors`, under a lease."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from auteur import liveness
from auteur.leases import LeaseLostError
from jobs.models import EventCursor

NAME = "streams"
LEASE = timedelta(seconds=settings.WORKER_LEASE_SECONDS)
"""From each move or renewal; whoever is silent for longer may be followed by another."""


def row() -> QuerySet[EventCursor]:
    """The row, once somebody has published."""
    return EventCursor.objects.filter(name=NAME)


def acquire(holder: str) -> int | None:
    """Hold it, and learn how far it is; None where another process does that may be alive."""
    EventCursor.objects.bulk_create([EventCursor(name=NAME)], ignore_conflicts=True)
    other = row().values_list("holder", flat=True).get()
    free = Q(holder=None) | Q(holder=holder) | Q(held_until__lte=Now())
    if other and liveness.is_process_dead(other):
        free |= Q(holder=other)
    if not row().filter(free).update(holder=holder, held_until=Now() + LEASE):
        return None
    return row().values_list("position", flat=True).get()


def move(holder: str, before: int, after: int, **more: Any) -> None:
    """It is so far now, and ours for another lease; raises ``LeaseLostError``."""
    held = row().filter(holder=holder, position=before)
    if not held.update(position=after, held_until=Now() + LEASE, **more):
        raise LeaseLostError


def release(holder: str) -> None:
    """Let another process take it at once."""
    row().filter(holder=holder).update(holder=None, held_until=None)
