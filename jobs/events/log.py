"""Reading the numbered log."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from auteur.api.problems import Problem
from jobs.events import chain
from jobs.events.contract import Wire
from jobs.models import EventHead, UserEvent

MAX_EVENTS = 500
"""In one answer."""
WAKE_CHANNEL = "auteur:events"
"""Where Redis tells that events were numbered; a message may be lost."""


@dataclass(frozen=True)
class Head:
    """The last event of a user; ``seq`` 0 before the first."""

    seq: int
    hash: str


class EventsRemovedProblem(Problem):
    """What follows the event that the client knows was removed."""

    status_code = 410
    default_code = "events_removed"
    default_detail = "Events after this one have been removed: read the jobs, then go on."


class FutureEventProblem(Problem):
    """No such event exists yet."""

    status_code = 400
    default_code = "future_event"
    default_detail = "There is no event of this number yet."


def head_of(user_id: UUID) -> Head:
    """The user's last event."""
    head = EventHead.objects.filter(user_id=user_id).first()
    if head is None:
        return Head(0, chain.BEFORE_THE_FIRST.hex())
    return Head(head.seq, bytes(head.hash).hex())


def oldest_seq(user_id: UUID) -> int | None:
    """The first of the user's events that are kept; None if there is none."""
    kept = UserEvent.objects.filter(user_id=user_id).order_by("seq")
    return kept.values_list("seq", flat=True).first()


def events_after(
    *, user_id: UUID, after: int | None, limit: int = MAX_EVENTS, job_id: UUID | None = None
) -> list[Wire]:
    """The user's events after this seq, or of one job; None: from the oldest that is kept.

    Raises ``EventsRemovedProblem`` (with ``oldest``, a seq or null) and ``FutureEventProblem``.
    """
    kept = UserEvent.objects.filter(user_id=user_id)
    if after is not None:
        kept = kept.filter(seq__gt=after)
    if job_id is not None:
        kept = kept.filter(job_id=job_id)
    found = list(kept.order_by("seq")[:limit])
    if after is not None:
        _check_after(user_id, after, found, of_job=job_id is not None)
    return [wire(row) for row in found]


def _check_after(user_id: UUID, after: int, found: list[UserEvent], *, of_job: bool) -> None:
    if found and found[0].seq == after + 1:
        return
    head = head_of(user_id)
    if after > head.seq:
        raise FutureEventProblem(last=head.seq)
    if after == head.seq:
        return
    oldest = oldest_seq(user_id)
    if oldest is None or oldest > after + 1:
        raise EventsRemovedProblem(oldest=oldest)


def tail(*, position: int, limit: int) -> list[tuple[int, UUID, UUID, Wire]]:
    """Events of all users after a position: position, user, job, event."""
    rows = UserEvent.objects.filter(position__gt=position).order_by("position")[:limit]
    return [(row.position, row.user_id, row.job_id, wire(row)) for row in rows]


def last_position() -> int:
    """Of the event that was numbered last; 0 before the first."""
    return UserEvent.objects.order_by("-position").values_list("position", flat=True).first() or 0


def wire(row: UserEvent) -> Wire:
    """The event as clients get it (`jobs.events.contract`)."""
    values: dict[str, Any] = {
        "seq": row.seq,
        "type": row.type,
        "timestamp": chain.timestamp(row.created_at),
        "data": row.data,
        "hash": bytes(row.hash).hex(),
    }
    return values


def events_of(user_id: UUID) -> QuerySet[UserEvent]:
    """The user's events that are kept, by seq."""
    return UserEvent.objects.filter(user_id=user_id).order_by("seq")
