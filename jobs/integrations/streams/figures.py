"""Compute from the database how publishing progresses, for `lag` and for `/metrics`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from auteur.core.work import liveness
from jobs import sql
from jobs.events import log
from jobs.events.outcomes import RECENT_EVENTS
from jobs.integrations.streams import cursor
from jobs.integrations.streams.sinks.base import GroupLag, StreamLength, StreamStandings
from jobs.models import EventCursor, UserEvent

RATE_WINDOW = timedelta(minutes=1)


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
