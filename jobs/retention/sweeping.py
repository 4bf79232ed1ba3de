"""Sweep unused rows and objects: a few each round, with any number of orchestrators."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from auteur.core.api.problems import DATABASE_OUTAGES
from auteur.core.database import clock
from credits import expiry
from jobs import sql
from jobs.calls.backends.models import LocalCall
from jobs.models import Attempt, SweepCursor, UserEvent
from jobs.objects import current_attempts
from media import orphans
from media import sweeping as uploads
from media.kinds import FILES, VOICES
from projects.rendering import folders

logger = logging.getLogger(__name__)

CALLS_KEPT = timedelta(days=7)
"""Time since a local call ended after which its row is not needed."""
CALLS_AT_ONCE = 500
EVENTS_AT_ONCE = 5000
ATTEMPTS_AT_ONCE = 10_000
"""How many attempts a page has, old or not."""
ATTEMPTS_PAUSE = timedelta(minutes=1)
ORPHANS = "objects without rows"


@dataclass(frozen=True)
class Sweep:
    """One kind of unused data: how much there is, and how one round of it is removed."""

    name: str
    count: Callable[[], int] | None
    """None if counting would cost as much as removing."""
    remove: Callable[[], int]


def sweep_all() -> int:
    """Run one round of each sweep; return how many things were removed."""
    return sum(_run_sweep(sweep) for sweep in SWEEPS)


def _run_sweep(sweep: Sweep) -> int:
    try:
        count = sweep.remove()
    except DATABASE_OUTAGES:
        raise
    except Exception:
        # An error with one kind must not keep the others from being removed.
        logger.exception("%s cannot be removed", sweep.name)
        return 0
    if count:
        logger.info("%d %s removed", count, sweep.name)
    return count


def list_old_calls() -> QuerySet[LocalCall]:
    """List local calls that ended long ago, except those of current attempts."""
    current = current_attempts().filter(pk=OuterRef("attempt_id"))
    return LocalCall.objects.filter(~Exists(current), finished_at__lte=Now() - CALLS_KEPT)


@transaction.atomic
def delete_old_calls() -> int:
    """Delete some of the `list_old_calls`, the oldest first; return how many."""
    locked = list_old_calls().select_for_update(skip_locked=True).order_by("finished_at")
    call_ids = list(locked.values_list("pk", flat=True)[:CALLS_AT_ONCE])
    return LocalCall.objects.filter(pk__in=call_ids).delete()[0]


def list_old_events() -> QuerySet[UserEvent]:
    """List events of the event log whose retention has ended."""
    retention = timedelta(days=settings.EVENTS_KEPT_DAYS)
    return UserEvent.objects.filter(created_at__lt=Now() - retention)


def delete_old_events() -> int:
    """Delete some of the `list_old_events`, the oldest first; return how many."""
    retention = timedelta(days=settings.EVENTS_KEPT_DAYS)
    cursor, _ = SweepCursor.objects.get_or_create(table=UserEvent._meta.db_table)
    rows = sql.run(
        "remove_old_events", after=int(cursor.after or 0), limit=EVENTS_AT_ONCE, kept=retention
    )
    if rows:
        last_position = max(position for (position,) in rows)
        SweepCursor.objects.filter(pk=cursor.pk).update(after=str(last_position))
    return len(rows)


def delete_old_attempts() -> int:
    """Delete the attempts of one page whose jobs ended long ago, if it is time; return how many.

    Pages follow each other by id, and begin again behind the last row: an index by time would cost
    every job (docs/decisions/0039). All orchestrators together read a page a minute.
    """
    if not settings.ATTEMPTS_KEPT_DAYS:
        return 0
    table = Attempt._meta.db_table
    SweepCursor.objects.get_or_create(table=table)
    cursor = SweepCursor.objects.filter(table=table)
    if not cursor.filter(next_at__lte=Now()).update(next_at=Now() + ATTEMPTS_PAUSE):
        return 0
    after = cursor.get().after
    kept_since = clock.now() - timedelta(days=settings.ATTEMPTS_KEPT_DAYS)
    ((last_id, count),) = sql.run(
        "remove_old_attempts",
        after=after or str(UUID(int=0)),
        due_before=kept_since.replace(hour=0, minute=0, second=0, microsecond=0),
        limit=ATTEMPTS_AT_ONCE,
    )
    # Another orchestrator may have read on, if this one was slow.
    cursor.filter(after=after).update(after=str(last_id or ""))
    return int(count)


SWEEPS = [
    Sweep(
        "uploads never confirmed",
        lambda: uploads.list_unconfirmed(FILES).count(),
        lambda: uploads.delete_unconfirmed(FILES),
    ),
    Sweep(
        "voices never confirmed",
        lambda: uploads.list_unconfirmed(VOICES).count(),
        lambda: uploads.delete_unconfirmed(VOICES),
    ),
    Sweep("half files", uploads.count_unfinished, uploads.delete_unfinished),
    Sweep("local calls long ended", lambda: list_old_calls().count(), delete_old_calls),
    Sweep("accounts' expired credits", expiry.count_expired, expiry.write_expired),
    Sweep("attempts no longer kept", None, delete_old_attempts),
    Sweep("events no longer kept", lambda: list_old_events().count(), delete_old_events),
    Sweep("old segments of renders", lambda: folders.list_due().count(), folders.sweep_folders),
    Sweep(
        ORPHANS,
        lambda: sum(orphan.count for orphan in orphans.count_orphans().values()),
        orphans.sweep_orphans,
    ),
]


def register_sweep(sweep: Sweep) -> None:
    """Add a sweep of a higher layer; a second registration of its name is ignored."""
    if all(item.name != sweep.name for item in SWEEPS):
        SWEEPS.append(sweep)
