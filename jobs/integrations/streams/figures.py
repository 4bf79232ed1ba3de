"""Compute from the database how publishing progresses, for `lag` and for `/metrics`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from auteur.core.work import liveness
from jobs import sql
from jobs.event_contract import EventType
from jobs.events import log
from jobs.integrations.streams import cursor
from jobs.integrations.streams.sinks.base import GroupLag, StreamLength, StreamStandings
from jobs.models import EventCursor, UserEvent

RECENT_EVENTS = 10_000
"""How many of the last events outcomes and latencies are computed from."""
RATE_WINDOW = timedelta(minutes=1)
LATENCY_BOUNDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Upper bounds of the histogram's buckets in seconds. The last bucket has no bound."""


@dataclass(frozen=True)
class PublisherLag:
    """The lag of the publisher behind the event log."""

    position: int
    log_position: int
    events: int
    seconds: float
    """How long ago the first unpublished event happened."""
    holder: str | None
    """The process that publishes, or None."""


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of the jobs that ended among the last events."""

    completed: int
    failed: int
    cancelled: int
    latency: tuple[tuple[float, int], ...]
    """Pairs of a bound in seconds since the request and how many jobs completed within it. The last
    bound is infinity."""
    latency_sum_seconds: float

    @property
    def error_rate(self) -> float:
        """Return the share of failed jobs among those that nobody cancelled, from 0 to 1."""
        total = self.completed + self.failed
        return self.failed / total if total else 0.0


def compute_publisher_lag() -> PublisherLag:
    """Return the current lag of the publisher."""
    cursor_row = cursor.select_row().annotate(is_held=Q(held_until__gt=Now())).first()
    position = cursor_row.position if cursor_row else 0
    last = log.get_last_position()
    waiting = UserEvent.objects.filter(position__gt=position).order_by("position")
    first = waiting.values_list("created_at", flat=True).first()
    return PublisherLag(
        position=position,
        log_position=last,
        events=max(0, last - max(position, log.get_first_position() - 1)),
        seconds=max(0.0, (timezone.now() - first).total_seconds()) if first else 0.0,
        holder=_find_living_holder(cursor_row) if cursor_row else None,
    )


def _find_living_holder(row: EventCursor) -> str | None:
    if row.holder is None or not row.is_held:  # type: ignore[attr-defined]  # annotated above
        return None
    return None if liveness.is_process_dead(row.holder) else row.holder


def compute_outcomes() -> Outcomes:
    """Return the outcomes among the last ``RECENT_EVENTS`` events."""
    after = log.get_last_position() - RECENT_EVENTS
    counts = dict.fromkeys((EventType.COMPLETED, EventType.FAILED, EventType.CANCELLED), 0)
    counts_by_bucket = [0] * (len(LATENCY_BOUNDS) + 1)
    total = 0.0
    for name, bucket, count, seconds in sql.run(
        "recent_ends", after=after, bounds=list(LATENCY_BOUNDS)
    ):
        counts[EventType(name)] += count
        if name == EventType.COMPLETED:
            counts_by_bucket[bucket] += count
            total += seconds
    return Outcomes(
        completed=counts[EventType.COMPLETED],
        failed=counts[EventType.FAILED],
        cancelled=counts[EventType.CANCELLED],
        latency=tuple(_accumulate_buckets(counts_by_bucket)),
        latency_sum_seconds=total,
    )


def _accumulate_buckets(counts_by_bucket: list[int]) -> Iterator[tuple[float, int]]:
    total = 0
    for bound, count in zip((*LATENCY_BOUNDS, float("inf")), counts_by_bucket, strict=True):
        total += count
        yield bound, total


def compute_event_rate() -> float:
    """Return the rate of events in the last minute, from at most ``RECENT_EVENTS`` events."""
    after = log.get_last_position() - RECENT_EVENTS
    ((count,),) = sql.run("count_recent_events", after=after, lately=RATE_WINDOW)
    return float(count / RATE_WINDOW.total_seconds())


def is_published_by(holder: str) -> bool:
    """Return True if this process publishes."""
    return cursor.select_row().filter(holder=holder).exists()


def store_standing(standing: StreamStandings, holder: str) -> None:
    """Store the state of streams and groups, if this process still publishes."""
    values = {
        "lengths": {length.stream: length.records for length in standing.lengths},
        "groups": [
            [group.stream, group.group, group.lag, group.pending] for group in standing.groups
        ],
    }
    cursor.select_row().filter(holder=holder).update(standing=values, standing_at=Now())


def find_standing(within: timedelta) -> StreamStandings | None:
    """Return the state that was stored last, or None if it is too old."""
    rows = cursor.select_row().filter(standing_at__gt=Now() - within, standing__isnull=False)
    values: Mapping[str, Any] | None = rows.values_list("standing", flat=True).first()
    if values is None:
        return None
    return StreamStandings(
        tuple(StreamLength(*length) for length in values["lengths"].items()),
        tuple(GroupLag(*group) for group in values["groups"]),
    )
