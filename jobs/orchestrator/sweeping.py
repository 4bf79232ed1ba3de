"""Removes what nobody will use: a little each round, with any number of orchestrators."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from auteur.api.problems import DATABASE_OUTAGES
from credits import expiry
from gpu_tasks.runtime.backends.models import LocalCall
from jobs import sql
from jobs.archive import parts, walking
from jobs.archive.models import ArchiveWalk
from jobs.archive.sources import SOURCES, is_archiving
from jobs.models import UserEvent
from jobs.objects import current_attempts
from jobs.partners import answers, dead_letters
from jobs.webhooks import deliveries
from media import orphans
from media import sweeping as uploads
from media.kinds import FILES, VOICES
from projects.rendering import folders

logger = logging.getLogger(__name__)

CALLS_KEPT = timedelta(days=7)
"""Since a local call ended; nobody needs its row by then."""
CALLS_AT_ONCE = 500
EVENTS_AT_ONCE = 5000
ORPHANS = "objects without rows"


@dataclass(frozen=True)
class Sweep:
    """One kind of leftovers: how much there is, and a round of removing it."""

    name: str
    count: Callable[[], int] | None
    """None where counting would be the whole work."""
    remove: Callable[[], int]


def sweep_all() -> int:
    """A round of each kind; returns how many things were removed."""
    return sum(_remove(sweep) for sweep in SWEEPS)


def _remove(sweep: Sweep) -> int:
    try:
        removed = sweep.remove()
    except DATABASE_OUTAGES:
        raise
    except Exception:
        # An error with one kind must not keep the others from being removed.
        logger.exception("%s cannot be removed", sweep.name)
        return 0
    if removed:
        logger.info("%d %s removed", removed, sweep.name)
    return removed


def list_old_calls() -> QuerySet[LocalCall]:
    """Local calls that ended long ago, but for those of current attempts."""
    current = current_attempts().filter(pk=OuterRef("attempt_id"))
    return LocalCall.objects.filter(~Exists(current), finished_at__lte=Now() - CALLS_KEPT)


@transaction.atomic
def delete_old_calls() -> int:
    """Remove some of the `list_old_calls`, the oldest first; returns how many."""
    held = list_old_calls().select_for_update(skip_locked=True).order_by("finished_at")
    found = list(held.values_list("pk", flat=True)[:CALLS_AT_ONCE])
    return LocalCall.objects.filter(pk__in=found).delete()[0]


def list_old_events() -> QuerySet[UserEvent]:
    """Events of the numbered log that are no longer kept."""
    kept = timedelta(days=settings.EVENTS_KEPT_DAYS)
    return UserEvent.objects.filter(created_at__lt=Now() - kept)


def delete_old_events() -> int:
    """Remove some of the `list_old_events`, the oldest first; returns how many.

    Where they are archived, `jobs.archive` does it.
    """
    if is_archiving():
        return 0
    kept = timedelta(days=settings.EVENTS_KEPT_DAYS)
    walk, _ = ArchiveWalk.objects.get_or_create(table=UserEvent._meta.db_table)
    removed = sql.run(
        "remove_old_events", after=int(walk.after or 0), limit=EVENTS_AT_ONCE, kept=kept
    )
    if removed:
        last = max(position for (position,) in removed)
        ArchiveWalk.objects.filter(pk=walk.pk).update(after=str(last))
    return len(removed)


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
        lambda: sum(one.count for one in orphans.count_orphans().values()),
        orphans.sweep_orphans,
    ),
]


def register_sweep(sweep: Sweep) -> None:
    """Have a room above's leftovers removed, too; twice counts once."""
    if all(known.name != sweep.name for known in SWEEPS):
        SWEEPS.append(sweep)
