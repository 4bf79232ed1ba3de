"""Read the event log."""

import json
from typing import Any
from uuid import UUID

from auteur.core.api.problems import Problem
from jobs import sql
from jobs.event_contract import Head, Wire
from jobs.events import chain, epochs
from jobs.models import EventHead, UserEvent

MAX_EVENTS = 500
"""Events in one response at most."""
MAX_WAIT_SECONDS = 30
MAX_SEQ = 2**63 - 1
WAKE_CHANNEL = "auteur:events"
"""The Redis channel that announces numbered events; a message may be lost."""


class EventsRemovedProblem(Problem):
    """Raised if events after the one that the client knows were removed."""

    status_code = 410
    default_code = "events_removed"
    default_detail = (
        "Events after this one have been removed. Read the jobs, then continue from the oldest "
        "event."
    )


class TooManyConnectionsProblem(Problem):
    """Raised if the user has the maximum number of connections to the process `live`."""

    status_code = 429
    default_code = "too_many_connections"
    default_detail = "You have too many open connections. Close some first."


class FutureEventProblem(Problem):
    """Raised if the client names an event that does not exist yet."""

    status_code = 400
    default_code = "future_event"
    default_detail = "There is no event with this number yet. Continue from the last event."


PROBLEMS = (EventsRemovedProblem, FutureEventProblem)
"""The errors of reading after a seq."""
WAIT_PROBLEMS = (*PROBLEMS, TooManyConnectionsProblem)
"""The errors of a request that may wait for events."""


def get_head(user_id: UUID) -> Head:
    """Return how far the user's events go."""
    head = EventHead.objects.filter(user_id=user_id).first()
    epoch = epochs.get_current_epoch()
    if head is None:
        return Head(seq=0, hash=chain.ZERO_HASH.hex(), oldest_seq=None, epoch=epoch)
    return Head(
        seq=head.seq,
        hash=bytes(head.hash).hex(),
        oldest_seq=find_oldest_seq(user_id),
        epoch=epoch,
    )


def find_oldest_seq(user_id: UUID) -> int | None:
    """Return the seq of the user's oldest stored event, or None."""
    events = UserEvent.objects.filter(user_id=user_id).order_by("seq")
    return events.values_list("seq", flat=True).first()


def list_events(
    *, user_id: UUID, after: int | None, limit: int = MAX_EVENTS, job_id: UUID | None = None
) -> list[Wire]:
    """List the user's events after this seq, or from the oldest one if ``after`` is None.

    Raises ``EventsRemovedProblem`` (with ``oldest``, a seq or null) and ``FutureEventProblem``.
    """
    events = UserEvent.objects.filter(user_id=user_id)
    if after is not None:
        events = events.filter(seq__gt=after)
    if job_id is not None:
        events = events.filter(job_id=job_id)
    page = list(events.order_by("seq")[:limit])
    if after is not None:
        _check_after(user_id, after, page)
    return [to_wire(row) for row in page]


def _check_after(user_id: UUID, after: int, page: list[UserEvent]) -> None:
    if page and page[0].seq == after + 1:
        return
    head = get_head(user_id)
    begins_at = epochs.get_first_seq(head.epoch)
    if after > head.seq:
        if after + 1 == begins_at:
            return  # Nothing has happened in this epoch.
        if after < begins_at:
            raise EventsRemovedProblem(oldest=begins_at)
        raise FutureEventProblem(last=head.seq)
    if after == head.seq:
        return
    if head.oldest_seq is None or (head.oldest_seq > after + 1 and not head.epoch):
        raise EventsRemovedProblem(oldest=head.oldest_seq)
    if head.epoch:
        _check_epoch(user_id, after)


def _check_epoch(user_id: UUID, after: int) -> None:
    """Raise ``EventsRemovedProblem`` unless this event precedes the next stored one.

    Seqs have gaps where an epoch begins. A client with a seq in a gap has seen events that are
    lost.
    """
    events = UserEvent.objects.filter(user_id=user_id)
    following = events.filter(seq__gt=after).order_by("seq").first()
    if following is None or following.seq == after + 1:
        return
    if after == 0:
        is_on_record = bytes(following.hash) == chain.compute_hash(
            chain.ZERO_HASH,
            seq=following.seq,
            type=following.type,
            timestamp=chain.format_timestamp(following.created_at),
            data=following.data,
        )
    else:
        is_on_record = events.filter(seq=after).exists()
    if not is_on_record:
        raise EventsRemovedProblem(oldest=following.seq)


def list_events_of_all(*, position: int, limit: int) -> list[tuple[int, UUID, UUID, Wire]]:
    """List events of all users after a position, as (position, user, job, event)."""
    return [
        (
            event_position,
            user_id,
            job_id,
            {"seq": seq, "type": type_, "timestamp": at, "data": json.loads(data), "hash": hash_},
        )
        for event_position, user_id, job_id, seq, type_, at, data, hash_ in sql.run(
            "events_after", position=position, limit=limit
        )
    ]


def get_last_position() -> int:
    """Return the position of the event that was numbered last; 0 before the first."""
    return UserEvent.objects.order_by("-position").values_list("position", flat=True).first() or 0


def get_first_position() -> int:
    """Return the position of the oldest stored event, or 0."""
    return UserEvent.objects.order_by("position").values_list("position", flat=True).first() or 0


def to_wire(row: UserEvent) -> Wire:
    """Return the event as clients get it (`jobs.event_contract`)."""
    values: dict[str, Any] = {
        "seq": row.seq,
        "type": row.type,
        "timestamp": chain.format_timestamp(row.created_at),
        "data": row.data,
        "hash": bytes(row.hash).hex(),
    }
    return values
