"""Removing what nobody will use: a little each round, by any number of orchestrators at once."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from auteur.api.problems import DATABASE_OUTAGES
from gpu_tasks.runtime.backends.models import LocalCall
from jobs.models import Attempt, Job
from jobs.objects import written
from jobs.states import OPEN, AttemptState
from media import orphans
from media import sweeping as uploads
from media.deletion import remove_objects
from media.kinds import FILES, VOICES
from media.models import MediaFile
from media.storage import LONGEST_WRITE
from projects.rendering import folders

logger = logging.getLogger(__name__)

CALLS_KEPT = timedelta(days=7)
"""Since a local call ended; by then it tells nobody anything."""
LEFTOVERS_KEPT = LONGEST_WRITE
"""Since an attempt ended without a result."""
CALLS_AT_ONCE = 500
ATTEMPTS_AT_ONCE = 50
ORPHANS = "objects without rows"


@dataclass(frozen=True)
class Sweep:
    """One kind of what is left behind: how much there is, and a round of removing it."""

    name: str
    count: Callable[[], int]
    remove: Callable[[], int]


def sweep_all() -> int:
    """A round of each kind; returns how many things were removed."""
    return sum(_removed(sweep) for sweep in SWEEPS)


def _removed(sweep: Sweep) -> int:
    try:
        removed = sweep.remove()
    except DATABASE_OUTAGES:
        raise
    except Exception:
        # One kind that cannot be removed must not keep the others.
        logger.exception("%s cannot be removed", sweep.name)
        return 0
    if removed:
        logger.info("%d %s removed", removed, sweep.name)
    return removed


def old_calls() -> QuerySet[LocalCall]:
    """Local calls that ended long ago, but for those that an open job may still ask for."""
    asking = Job.objects.filter(attempt_id=OuterRef("attempt_id"), status__in=OPEN)
    return LocalCall.objects.filter(~Exists(asking), finished_at__lte=Now() - CALLS_KEPT)


@transaction.atomic
def remove_old_calls() -> int:
    """Remove some of them, the oldest first."""
    held = old_calls().select_for_update(skip_locked=True).order_by("finished_at")
    found = list(held.values_list("pk", flat=True)[:CALLS_AT_ONCE])
    return LocalCall.objects.filter(pk__in=found).delete()[0]


def with_leftovers() -> QuerySet[Attempt]:
    """Attempts that ended without a result long ago, and may have written objects before."""
    return Attempt.objects.filter(
        state__in=[AttemptState.FAILED, AttemptState.CANCELLED],
        payload__isnull=False,
        swept_at__isnull=True,
        finished_at__lte=Now() - LEFTOVERS_KEPT,
    )


def remove_leftovers() -> int:
    """Remove the objects of some; returns of how many attempts.

    Nothing is held meanwhile: removed twice is removed.
    """
    attempts = with_leftovers().select_related("job").order_by("finished_at")[:ATTEMPTS_AT_ONCE]
    swept = []
    for attempt in attempts:
        keys = _unused(attempt)
        if remove_objects(keys) < len(keys):
            break
        swept.append(attempt.pk)
    return Attempt.objects.filter(pk__in=swept, swept_at=None).update(swept_at=Now())


def _unused(attempt: Attempt) -> list[str]:
    """The keys that the attempt could write to, and that no row refers to."""
    # Keys without the attempt's id may be another attempt's as well.
    own = {key for key in written(attempt) if str(attempt.pk) in key.split("/")}
    media = MediaFile.objects.filter(r2_key__in=own).values_list("r2_key", flat=True)
    outputs = (attempt.job.output_data or {}).values()
    return sorted(own.difference(media, (value for value in outputs if isinstance(value, str))))


SWEEPS = (
    Sweep(
        "uploads never confirmed",
        lambda: uploads.unconfirmed(FILES).count(),
        lambda: uploads.remove_unconfirmed(FILES),
    ),
    Sweep(
        "voices never confirmed",
        lambda: uploads.unconfirmed(VOICES).count(),
        lambda: uploads.remove_unconfirmed(VOICES),
    ),
    Sweep("half files", uploads.count_unfinished, uploads.remove_unfinished),
    Sweep("local calls long ended", lambda: old_calls().count(), remove_old_calls),
    Sweep(
        "attempts with objects and no result",
        lambda: with_leftovers().count(),
        remove_leftovers,
    ),
    Sweep("old stretches of renders", lambda: folders.due().count(), folders.sweep),
    Sweep(ORPHANS, lambda: sum(one.count for one in orphans.count().values()), orphans.turn),
)
