"""From where queues are read: below, nothing is alive (docs/decisions/0046).

What has left a queue stays in its index while anybody holds a snapshot that may see it, and who
reads the queue from its beginning reads all of that. So the orchestrator remembers, and tells the
statements, where the first one alive was. It looks again all the time, and now and then from the
very beginning, for what came in below: written by a statement that had waited for long, or by a
clock that was set back. Any other process reads from the beginning.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jobs import sql
from jobs.features.registry import features

SETTLED_SECONDS = 5.0
"""What is written before a look, and committed after it, may come in below what the look found. So
the floors are those of a look so long ago, of which all transactions have ended."""
WHOLE_SECONDS = 20.0
"""Between looks from the beginning."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ClassWatermark:
    """Of a GPU class: rank and age of jobs that wait, and since when attempts are unfinished."""

    waiting_from: tuple[int, datetime] = (-1, LONG_AGO)
    attempts_from: datetime = LONG_AGO


@dataclass(frozen=True)
class Watermarks:
    """Of all queues; without values, their beginnings."""

    wake_at: datetime = LONG_AGO
    event_id: int = 0
    classes: Mapping[str, ClassWatermark] = field(default_factory=dict)

    def of(self, gpu_class: str) -> ClassWatermark:
        """Of one class, known or not."""
        return self.classes.get(gpu_class, ClassWatermark())

    def lower_of(self, other: "Watermarks") -> "Watermarks":
        """Both hold: each floor is the lower one."""
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
class Look:
    """The first ones alive; all transactions of that time are older than ``next_transaction``."""

    first: Watermarks
    oldest_transaction: int
    next_transaction: int
    at: float


class WatermarkKeeper:
    """Raises the floors of a process, and lowers them where something alive is below."""

    def __init__(self) -> None:
        self.floors = Watermarks()
        self.next_event_id = 0
        """After those that this process has taken out of the outbox."""
        self._earlier: Look | None = None
        self._whole_at = time.monotonic()

    def look(self, now: float) -> None:
        """To be called every second or so, with the time of `time.monotonic`."""
        is_whole = now - self._whole_at > WHOLE_SECONDS
        found = self._first_from(Watermarks() if is_whole else self.floors, now)
        if is_whole:
            self._whole_at = now
            self.floors = self.floors.lower_of(found.first)
        earlier = self._earlier
        if earlier is None:
            self._earlier = found
        elif (
            now - earlier.at > SETTLED_SECONDS
            and found.oldest_transaction >= earlier.next_transaction
        ):
            # What the earlier one did not see yet, this one has found.
            self.floors = earlier.first.lower_of(found.first)
            self._earlier = found

    def _first_from(self, floors: Watermarks, now: float) -> Look:
        """What is alive from the floors on."""
        classes = [
            {
                "gpu_class": name,
                "rank": one.waiting_from[0],
                "created_at": one.waiting_from[1].isoformat(),
                "attempts_from": one.attempts_from.isoformat(),
            }
            for name, one in floors.classes.items()
        ]
        rows = sql.run(
            "first_alive",
            types=list(features()),
            wake_at=floors.wake_at,
            event_id=floors.event_id,
            next_event_id=max(floors.event_id, self.next_event_id),
            classes=json.dumps(classes),
        )
        oldest, following, wake_at, event_id, *_ = rows[0]
        by_class = {
            name: ClassWatermark((rank, created_at), attempts_from)
            for _, _, _, _, name, rank, created_at, attempts_from in rows
            if name is not None
        }
        return Look(Watermarks(wake_at, event_id, by_class), oldest, following, now)


_keeper = WatermarkKeeper()


def current_watermarks() -> Watermarks:
    """The floors of this process."""
    return _keeper.floors


def note_numbered(event_id: int) -> None:
    """This event and those before it that could be seen have left the outbox."""
    _keeper.next_event_id = max(_keeper.next_event_id, event_id + 1)


def raise_watermarks() -> int:
    """A round of the orchestrator's."""
    _keeper.look(time.monotonic())
    return 0
