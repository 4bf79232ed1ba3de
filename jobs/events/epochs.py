"""Begin epochs of the event log: after a restore, no number is assigned a second time.

A restore, or a failover that loses commits, sets the log back: numbers that clients, webhooks and
streams have seen are free again. A new epoch begins above all of them (docs/decisions/0061).
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone

from jobs.events import cursors
from jobs.models import EventCursor, EventEpoch, KeptFigures

logger = logging.getLogger(__name__)

EPOCH_ORIGIN = datetime(2026, 1, 1, tzinfo=UTC)
"""The moment from which epochs are counted, in minutes.

A second restore may go back to before the first one, and lose its epoch with its row. So the number
of an epoch follows the clock, which no restore sets back.
"""
NUMBERS_PER_EPOCH = 10**8
"""Epoch n assigns numbers (``position`` and ``seq``) from ``n * SPAN + 1`` on.

No system numbers as many events in a minute, and the numbers are exact in JavaScript until 2197.
"""
BEHIND = "log_behind"
"""The row of `KeptFigures` with the readers whose positions are beyond the end of the log."""


def get_current_epoch() -> int:
    """Return the number of the current epoch."""
    return EventEpoch.objects.aggregate(number=Max("number"))["number"] or 0


def get_epoch_of(seq: int) -> int:
    """Return the epoch that has assigned this seq of a user's event."""
    return max(0, seq - 1) // NUMBERS_PER_EPOCH


def get_first_seq(epoch: int) -> int:
    """Return the first number that a user's event may have in an epoch."""
    return epoch * NUMBERS_PER_EPOCH + 1


def get_log_end() -> int:
    """Return the last position that was assigned, whether or not its event still exists."""
    return cursors.get_position(cursors.NUMBERING)


@transaction.atomic
def start_epoch(*, seen: Iterable[int] = ()) -> EventEpoch:
    """Begin a new epoch beyond all positions that are stored here or were ``seen`` elsewhere.

    Waits for the lock of the process that numbers events, so nothing is numbered meanwhile. A
    second call skips some more numbers, and does no harm.
    """
    EventCursor.objects.get_or_create(name=cursors.NUMBERING)
    numbering = EventCursor.objects.select_for_update().get(name=cursors.NUMBERING)
    other_cursors = EventCursor.objects.exclude(name=cursors.NUMBERING)
    positions = [numbering.position, *other_cursors.values_list("position", flat=True), *seen]
    positions += [reader["seen"] for reader in list_readers_ahead().values()]
    number = max(
        (timezone.now() - EPOCH_ORIGIN) // timedelta(minutes=1),
        get_current_epoch() + 1,
        max(positions) // NUMBERS_PER_EPOCH + 1,  # A clock may have been ahead of ours.
    )
    epoch = EventEpoch.objects.create(number=number, first_position=number * NUMBERS_PER_EPOCH + 1)
    # A reader that had read everything has now read up to the beginning of the epoch.
    last_before = epoch.first_position - 1
    other_cursors.filter(position__gte=numbering.position).update(position=last_before)
    EventCursor.objects.filter(pk=numbering.pk).update(position=last_before)
    KeptFigures.objects.filter(name=BEHIND).delete()
    return epoch


def list_readers_ahead() -> dict[str, dict[str, int]]:
    """Return the readers beyond the end of the log, with ``seen`` and ``end`` of each."""
    row = KeptFigures.objects.filter(name=BEHIND).first()
    return dict(row.value or {}) if row else {}


def report_log_behind(reader: str, *, seen: int, end: int) -> None:
    """Raise the alarm that the log ends before what a reader has seen."""
    logger.error(
        "%s has seen position %d, and the log ends at %d: the database was set back. "
        "Stop the orchestrators and run `manage.py events_new_epoch`",
        reader,
        seen,
        end,
    )
    with transaction.atomic():
        KeptFigures.objects.get_or_create(name=BEHIND)
        row = KeptFigures.objects.select_for_update().get(name=BEHIND)
        value = row.value or {}
        seen = max(seen, value.get(reader, {}).get("seen", 0))
        KeptFigures.objects.filter(name=BEHIND).update(
            value={**value, reader: {"seen": seen, "end": end}}, found_at=Now()
        )
