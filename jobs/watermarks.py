"""Keep watermarks of queues: below them, no row is unfinished (docs/decisions/0046).

Rows that have left a queue stay in its index while any snapshot may see them, and a reader that
starts at the beginning of the queue reads all of them. So the orchestrator remembers the first
unfinished row, and passes it to the statements. It updates the watermarks all the time, and now and
then from the very beginning, for rows that came in below: written by a statement that had waited
for long, or by a clock that was set back. Any other process reads from the beginning.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jobs import sql
from jobs.features.registry import features

MIN_READING_AGE_SECONDS = 5.0
"""Rows that are written before a look, and committed after it, may be below its watermarks. So the
watermarks are those of a look at least so long ago, whose transactions have all ended."""
FULL_READING_SECONDS = 20.0
"""Pause between looks from the beginning."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ClassWatermark:
    """The watermarks of a GPU class: rank and time of waiting jobs, and time of open attempts."""

    waiting_from: tuple[int, datetime] = (-1, LONG_AGO)
    attempts_from: datetime = LONG_AGO


@dataclass(frozen=True)
class Watermarks:
    """The watermarks of all queues; by default, their beginnings."""

    wake_at: datetime = LONG_AGO
    event_id: int = 0
    classes: Mapping[str, ClassWatermark] = field(default_factory=dict)

    def of(self, gpu_class: str) -> ClassWatermark:
        """Return the watermark of one GPU class, known or not."""
        return self.classes.get(gpu_class, ClassWatermark())

    def lower_of(self, other: "Watermarks") -> "Watermarks":
        """Return the lower of both watermarks, for each queue."""
        return Watermarks(
            min(self.wake_at, other.wake_at),
            min(self.event_id, other.event_id),
            {
                name: ClassWatermark(
                    min(self.of(name).waiting_from, other.of(name).waiting_from),
                    min(self.of(name).attempts_from, other.of(name).attempts_from),
                )
                for name in {*self.classes, *other.classes}
            },
        )


@dataclass(frozen=True)
class WatermarkReading:
    """One reading of the first unfinished rows, with the transactions of that time."""

    first: Watermarks
    oldest_transaction: int
    next_transaction: int
    at: float


class WatermarkKeeper:
    """The watermarks of a process: raised by each look, lowered if unfinished rows are below."""

    def __init__(self) -> None:
        self.floors = Watermarks()
        self.next_event_id = 0
        """The id after the events that this process has numbered."""
        self._earlier: WatermarkReading | None = None
        self._whole_at = time.monotonic()

    def look(self, now: float) -> None:
        """Update the watermarks; called every second or so, with the time of `time.monotonic`."""
        is_from_start = now - self._whole_at > FULL_READING_SECONDS
        current = self._read_first_unfinished(Watermarks() if is_from_start else self.floors, now)
        if is_from_start:
            self._whole_at = now
            self.floors = self.floors.lower_of(current.first)
        earlier = self._earlier
        if earlier is None:
            self._earlier = current
        elif (
            now - earlier.at > MIN_READING_AGE_SECONDS
            and current.oldest_transaction >= earlier.next_transaction
        ):
            # The current look has found the rows that the earlier one could not see yet.
            self.floors = earlier.first.lower_of(current.first)
            self._earlier = current

    def _read_first_unfinished(self, floors: Watermarks, now: float) -> WatermarkReading:
        """Read the first unfinished rows from these watermarks on."""
        classes = [
            {
                "gpu_class": name,
                "rank": watermark.waiting_from[0],
                "created_at": watermark.waiting_from[1].isoformat(),
                "attempts_from": watermark.attempts_from.isoformat(),
            }
            for name, watermark in floors.classes.items()
        ]
        rows = sql.run(
            "first_alive",
            types=list(features()),
            wake_at=floors.wake_at,
            event_id=floors.event_id,
            next_event_id=max(floors.event_id, self.next_event_id),
            classes=json.dumps(classes),
        )
        oldest_transaction, next_transaction, wake_at, event_id, *_ = rows[0]
        by_class = {
            name: ClassWatermark((rank, created_at), attempts_from)
            for _, _, _, _, name, rank, created_at, attempts_from in rows
            if name is not None
        }
        return WatermarkReading(
            Watermarks(wake_at, event_id, by_class), oldest_transaction, next_transaction, now
        )


_keeper = WatermarkKeeper()


def current_watermarks() -> Watermarks:
    """Return the watermarks of this process."""
    return _keeper.floors


def note_numbered(event_id: int) -> None:
    """Note that this event, and the visible ones before it, have left the outbox."""
    _keeper.next_event_id = max(_keeper.next_event_id, event_id + 1)


def raise_watermarks() -> int:
    """Update the watermarks, as one round of the orchestrator; return 0, always."""
    _keeper.look(time.monotonic())
    return 0
