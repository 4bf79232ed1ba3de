"""Sweep unused rows and objects: a few each round, with any number of orchestrators."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from auteur.core.api.problems import DATABASE_OUTAGES
from credits import expiry
from jobs import sql
from jobs.archive import parts, walking
from jobs.archive.models import ArchiveWalk
from jobs.archive.sources import SOURCES, is_archiving
from jobs.calls.backends.models import LocalCall
from jobs.integrations.partners import answers, dead_letters
from jobs.integrations.webhooks import deliveries
from jobs.models import UserEvent
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
    """Delete some of the `list_old_events`, the oldest first; return how many.

    If events are archived, `jobs.archive` deletes them.
    """
    if is_archiving():
        return 0
    retention = timedelta(days=settings.EVENTS_KEPT_DAYS)
    walk, _ = ArchiveWalk.objects.get_or_create(table=UserEvent._meta.db_table)
    rows = sql.run(
        "remove_old_events", after=int(walk.after or 0), limit=EVENTS_AT_ONCE, kept=retention
    )
    if rows:
        last_position = max(position for (position,) in rows)
        ArchiveWalk.objects.filter(pk=walk.pk).update(after=str(last_position))
    return len(rows)


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
    *(
        Sweep(f"archived rows of {source.table}", None, partial(walking.turn, source))
        for source in SOURCES
    ),
    Sweep("archives no longer kept", lambda: parts.old().count(), parts.remove_old),
    Sweep("events no longer kept", lambda: list_old_events().count(), delete_old_events),
    Sweep(
        "webhook deliveries no longer kept",
        lambda: deliveries.list_old_deliveries().count(),
        deliveries.delete_old_deliveries,
    ),
    Sweep(
        "partners' dead letters no longer kept",
        lambda: dead_letters.list_old().count(),
        dead_letters.delete_old,
    ),
    Sweep("plain tokens of answered partners", None, answers.hash_tokens),
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
