"""How publishing stands, by what the database holds: the same for `lag` and for `/metrics`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from auteur import liveness
from jobs import sql
from jobs.events import log
from jobs.events.contract import EventType
from jobs.models import EventCursor, UserEvent
from jobs.streams import cursor
from jobs.streams.sinks.base import GroupLag, Length, Standing

RECENT_EVENTS = 10_000
"""The last events of the log, of which outcomes and latencies tell."""
LATELY = timedelta(minutes=1)
LATENCY_BOUNDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds; upper ends of the histogram's intervals, before the one without an end."""


@dataclass(frozen=True)
class PublisherLag:
    """How far the publisher is behind the log."""

    position: int
    log_position: int
    events: int
    seconds: float
    """Since the first event happened that is not published."""
    holder: str | None
    """Which process publishes; None where none does."""


@dataclass(frozen=True)
class Outcomes:
    """Of jobs of which the last events tell."""

    completed: int
    failed: int
    cancelled: int
    latency: tuple[tuple[float, int], ...]
    """How many completed within so many seconds of being requested; the last is infinity."""
    latency_sum_seconds: float

    @property
    def error_rate(self) -> float:
        """Failed jobs among those that nobody cancelled, 0 to 1."""
        ended = self.completed + self.failed
        return self.failed / ended if ended else 0.0


def publisher_lag() -> PublisherLag:
    """As of now."""
    held = cursor.row().annotate(is_held=Q(held_until__gt=Now())).first()
    position = held.position if held else 0
    last = log.last_position()
    waiting = UserEvent.objects.filter(position__gt=position).order_by("position")
    first = waiting.values_list("created_at", flat=True).first()
    return PublisherLag(
        position=position,
        log_position=last,
        events=max(0, last - max(position, log.first_position() - 1)),
        seconds=max(0.0, (timezone.now() - first).total_seconds()) if first else 0.0,
        holder=_living_holder(held) if held else None,
    )


def _living_holder(held: EventCursor) -> str | None:
    if held.holder is None or not held.is_held:  # type: ignore[attr-defined]  # annotated above
        return None
    return None if liveness.is_process_dead(held.holder) else held.holder


def outcomes() -> Outcomes:
    """Of the last ``RECENT_EVENTS``."""
    after = log.last_position() - RECENT_EVENTS
    counts = dict.fromkeys((EventType.COMPLETED, EventType.FAILED, EventType.CANCELLED), 0)
    within = [0] * (len(LATENCY_BOUNDS) + 1)
    total = 0.0
    for name, interval, count, seconds in sql.run(
        "recent_ends", after=after, bounds=list(LATENCY_BOUNDS)
    ):
        counts[EventType(name)] += count
        if name == EventType.COMPLETED:
            within[interval] += count
            total += seconds
    return Outcomes(
        completed=counts[EventType.COMPLETED],
        failed=counts[EventType.FAILED],
        cancelled=counts[EventType.CANCELLED],
        latency=tuple(_cumulated(within)),
        latency_sum_seconds=total,
    )


def _cumulated(within: list[int]) -> Iterator[tuple[float, int]]:
    sum_ = 0
    for bound, count in zip((*LATENCY_BOUNDS, float("inf")), within, strict=True):
        sum_ += count
        yield bound, sum_


def events_per_second() -> float:
    """That happened in the last minute, as far as they are among the last ``RECENT_EVENTS``."""
    after = log.last_position() - RECENT_EVENTS
    ((count,),) = sql.run("count_recent_events", after=after, lately=LATELY)
    return float(count / LATELY.total_seconds())


def is_published_by(holder: str) -> bool:
    """Whether this process publishes."""
    return cursor.row().filter(holder=holder).exists()


def store(standing: Standing, holder: str) -> None:
    """Note how streams and their groups stand, if this process still publishes."""
    values = {
        "lengths": {each.stream: each.records for each in standing.lengths},
        "groups": [[g.stream, g.group, g.lag, g.pending] for g in standing.groups],
    }
    cursor.row().filter(holder=holder).update(standing=values, standing_at=Now())


def stored(within: timedelta) -> Standing | None:
    """What was noted last, unless that is too long ago."""
    noted = cursor.row().filter(standing_at__gt=Now() - within, standing__isnull=False)
    values: Mapping[str, Any] | None = noted.values_list("standing", flat=True).first()
    if values is None:
        return None
    return Standing(
        tuple(Length(*each) for each in values["lengths"].items()),
        tuple(GroupLag(*each) for each in values["groups"]),
    )
