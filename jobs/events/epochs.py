"""Epochs of the numbered log: after a restore, no number is given a second time.

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

ZERO = datetime(2026, 1, 1, tzinfo=UTC)
"""From when on epochs are counted, in minutes.

A second restore may go back to before the first one, and lose its epoch with its row. So what an
epoch is called follows the clock, which no restore sets back.
"""
SPAN = 10**8
"""Epoch n gives numbers (``position`` and ``seq``) from ``n * SPAN + 1`` on.

Nobody numbers as many events in a minute, and the numbers are exact in JavaScript until 2197.
"""
BEHIND = "log_behind"
"""The row of `KeptFigures` with readers that have seen more than the log holds."""


def current_epoch() -> int:
    """Return the number of the present epoch."""
    return EventEpoch.objects.aggregate(number=Max("number"))["number"] or 0


def epoch_of(seq: int) -> int:
    """Return the epoch that has given a user's event this number."""
    return max(0, seq - 1) // SPAN


def first_seq(epoch: int) -> int:
    """Return the first number that a user's event may have in an epoch."""
    return epoch * SPAN + 1


def log_end() -> int:
    """Return the last position that was given, whether or not its event is kept."""
    return cursors.get_position(cursors.NUMBERING)


@transaction.atomic
def start_epoch(*, seen: Iterable[int] = ()) -> EventEpoch:
    """Begin a new epoch beyond all positions that are known here or were ``seen`` elsewhere.

    Waits for the numberer's lock, so nothing is numbered meanwhile. To do it twice leaves out some
    more numbers, and does no harm.
    """
    EventCursor.objects.get_or_create(name=cursors.NUMBERING)
    numbering = EventCursor.objects.select_for_update().get(name=cursors.NUMBERING)
    others = EventCursor.objects.exclude(name=cursors.NUMBERING)
    known = [numbering.position, *others.values_list("position", flat=True), *seen]
    known += [reader["seen"] for reader in list_readers_ahead().values()]
    number = max(
        (timezone.now() - ZERO) // timedelta(minutes=1),
        current_epoch() + 1,
        max(known) // SPAN + 1,  # of a clock that was ahead of ours
    )
    epoch = EventEpoch.objects.create(number=number, first_position=number * SPAN + 1)
    # Who has read everything has read up to the beginning of the epoch.
    before = epoch.first_position - 1
    others.filter(position__gte=numbering.position).update(position=before)
    EventCursor.objects.filter(pk=numbering.pk).update(position=before)
    KeptFigures.objects.filter(name=BEHIND).delete()
    return epoch


def list_readers_ahead() -> dict[str, dict[str, int]]:
    """Return the readers that have seen more than the log holds: ``seen`` and ``end`` of each."""
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
