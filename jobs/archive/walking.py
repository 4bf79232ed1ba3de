"""The walk through a table that is archived: a part a minute, of all orchestrators together.

It may die anywhere. The row of a part names its span before anything is written, so whoever comes
next writes the same object again; rows go when a part is verified, and the walk moves on last.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Min
from django.db.models.functions import Now

from auteur.core.database import clock
from jobs.archive import parts
from jobs.archive.models import ArchivePart, ArchiveWalk
from jobs.archive.sources import (
    FIRST_ID,
    ByDay,
    Row,
    Source,
    day_of,
    is_archiving,
    key_of_time,
)
from jobs.failpoints import failpoint

logger = logging.getLogger(__name__)

PART_ROWS = 10_000
"""Of one part: in memory at once, some 40 MB, beside 50 of Arrow's own."""
TURN = timedelta(minutes=1)
LEASE = timedelta(minutes=10)
"""After which another begins a turn all the same: two write and delete what is the same, and who
comes late neither removes what was verified nor sets the walk back."""
DAYS_A_TURN = 500
"""Days without rows that are passed at once."""


def turn(source: Source) -> int:
    """A part of the table, if it is time; returns how many rows were deleted."""
    if not is_archiving():
        parts.drop_unverified(source.table)
    kept = source.kept()
    if kept is None:
        return 0
    ArchiveWalk.objects.get_or_create(table=source.table)
    walk = _lease(source)
    if walk is None:
        return 0
    try:
        return _walk(source, walk.after, kept)
    finally:
        # Only its own lease: another may have begun since.
        own = ArchiveWalk.objects.filter(pk=walk.pk, next_at=walk.next_at)
        own.update(next_at=Now() + TURN)


@transaction.atomic
def _lease(source: Source) -> ArchiveWalk | None:
    """The walk as it is now held; None while it is not time."""
    walk = ArchiveWalk.objects.filter(table=source.table)
    taken = walk.filter(next_at__lte=Now()).update(next_at=Now() + LEASE)
    return walk.get() if taken else None


def _walk(source: Source, after: str, kept: timedelta) -> int:
    part = ArchivePart.objects.filter(table=source.table, finished_at=None).first()
    if part is not None:
        return _finish(source, part)
    due_before = day_of(clock.now() - kept)
    if not after and isinstance(source.order, ByDay):
        _move(source, after, after := _beginning())
    for _ in range(DAYS_A_TURN):
        rows = source.rows(after, None, due_before=due_before, limit=PART_ROWS)
        if taken := source.order.take(rows):
            return _take(source, rows, taken, after, due_before)
        behind = source.order.passed(after, rows, due_before)
        if behind is not None:
            _move(source, after, behind)
        if behind is None or not isinstance(source.order, ByDay):
            return 0
        after = behind
    return 0


def _beginning() -> str:
    """Before all rows: no row of the ledger is older than the first account."""
    first = get_user_model()._default_manager.aggregate(at=Min("created_at"))["at"]
    return key_of_time(day_of(first or clock.now()), FIRST_ID)


def _take(
    source: Source,
    rows: Sequence[Row],
    taken: Sequence[Row],
    after: str,
    due_before: datetime,
) -> int:
    last = source.order.behind(rows, taken)
    if not is_archiving():
        removed = source.delete(after, last, due_before=due_before)
        _move(source, after, last)
        return removed
    part = ArchivePart.objects.create(
        table=source.table,
        after=after,
        last=last,
        due_before=due_before,
        object_key=parts.key_of(source, taken, due_before),
    )
    failpoint("archive_before_write")
    return _finish(source, part)


def _finish(source: Source, part: ArchivePart) -> int:
    """Write it, if nobody has; then delete what is in it, and let the walk go on behind it."""
    if part.verified_at is None:
        # All of its span, whatever a part may have by now.
        rows = source.rows(part.after, part.last, due_before=part.due_before, limit=None)
        if due := [row for row in rows if row[0]]:
            parts.write(part, source, due)
        else:  # whose they were has left meanwhile, or another has written and deleted them
            if parts.drop(part):
                _move(source, part.after, part.last)
            return 0
    failpoint("archive_before_delete")
    removed = _delete(source, part)
    failpoint("archive_before_move")
    _end(source, part)
    logger.info("%s is written, %d rows are deleted", part.object_key, removed)
    return removed


@transaction.atomic
def _delete(source: Source, part: ArchivePart) -> int:
    removed = source.delete(part.after, part.last, due_before=part.due_before)
    part.refresh_from_db()
    if removed > (part.rows or 0):  # some came that are not in it; the deletion is undone
        raise parts.DamagedPartError(f"{part.object_key} has {part.rows} rows of {removed}")
    return removed


@transaction.atomic
def _end(source: Source, part: ArchivePart) -> None:
    if ArchivePart.objects.filter(pk=part.pk, finished_at=None).update(finished_at=Now()):
        _move(source, part.after, part.last)


def _move(source: Source, before: str, after: str) -> None:
    """Let the walk go on from there, unless another has moved it since."""
    ArchiveWalk.objects.filter(table=source.table, after=before).update(after=after)
