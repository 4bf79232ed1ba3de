"""Number events: move them from the outbox into the log in batches (docs/decisions/0028)."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from gpu_tasks.runtime.errors import AuteurError, get_policy
from jobs import sql, watermarks
from jobs.event_contract import ENDS, AttemptData, EndData, EventError, EventType, JobData
from jobs.events import chain, cursors, epochs
from jobs.events.log import WAKE_CHANNEL
from jobs.failpoints import failpoint
from jobs.models import Event
from jobs.states import JobStatus
from jobs.wake_signal import publish_signal

logger = logging.getLogger(__name__)

BATCH = 2000
"""Events numbered in one transaction."""
STATUS_SINCE = {
    EventType.REQUESTED: JobStatus.PENDING,
    EventType.STARTED: JobStatus.PROCESSING,
    EventType.COMPLETED: JobStatus.COMPLETED,
    EventType.FAILED: JobStatus.FAILED,
    EventType.CANCELLED: JobStatus.CANCELLED,
}
"""The job's status since an event. Other events state it in their data."""


@dataclass(frozen=True)
class _OutboxRow:
    """One row of `take_events`."""

    id: int
    user_id: UUID
    job_id: UUID
    type: str
    data: str
    """The data that was stored with the event, as JSON."""
    created_at: datetime
    head_seq: int
    head_hash: bytes | None
    job_type: str
    project_id: UUID | None
    credits_cost: int
    error_code: str | None
    error_message: str | None
    credits_refunded: int
    processing_time_ms: int | None
    media_ids: str | None
    """A JSON array."""


class _IncompleteEventError(AuteurError):
    """An event lacks data that its type requires."""

    def __init__(self, row: _OutboxRow) -> None:
        super().__init__(f"event {row.id} ({row.type}) of job {row.job_id} cannot be told")
        self.event_id = row.id


def number_events() -> int:
    """Assign numbers to a batch of events unless another process does; return how many."""
    first = watermarks.current_watermarks().event_id
    if not Event.objects.filter(pk__gte=first, set_aside_at=None).exists():
        return 0
    try:
        events = _number_batch(first)
    except _IncompleteEventError as exc:
        logger.exception("an event is set aside")
        return Event.objects.filter(pk=exc.event_id).update(set_aside_at=Now())
    if events:
        publish_signal(WAKE_CHANNEL, str(events[-1]["position"]))
    return len(events)


@transaction.atomic
def _number_batch(first: int) -> list[dict[str, Any]]:
    position = cursors.lock_cursor(cursors.NUMBERING)
    if position is None:
        return []
    db_rows = sql.run("take_events", from_id=first, limit=BATCH, span=epochs.NUMBERS_PER_EPOCH)
    rows = [_OutboxRow(*row) for row in db_rows]
    if not rows:
        return []
    watermarks.note_numbered(rows[-1].id)
    events = _build_numbered_events(rows, position)
    sql.run(
        "number_events",
        events=json.dumps(events),
        synchronous_commit=settings.EVENTS_SYNCHRONOUS_COMMIT,
    )
    cursors.move_cursor(cursors.NUMBERING, events[-1]["position"])
    failpoint("before_numbered")
    return events


def _build_numbered_events(rows: Iterable[_OutboxRow], position: int) -> list[dict[str, Any]]:
    heads: dict[UUID, tuple[int, bytes]] = {}
    events: list[dict[str, Any]] = []
    for row in rows:
        position += 1
        stored_head = (row.head_seq, bytes(row.head_hash or chain.ZERO_HASH))
        seq, previous = heads.get(row.user_id, stored_head)
        event: dict[str, Any] = {
            "seq": seq + 1,
            "type": f"job.{row.type}",
            "timestamp": chain.format_timestamp(row.created_at),
            "data": _build_checked_data(row),
        }
        hash_ = chain.compute_hash(previous, **event)
        heads[row.user_id] = (seq + 1, hash_)
        event["created_at"] = event.pop("timestamp")
        event |= {
            "position": position,
            "user_id": str(row.user_id),
            "job_id": str(row.job_id),
            "internal": json.loads(row.data),
            "hash": hash_.hex(),
        }
        events.append(event)
    return events


def _build_checked_data(row: _OutboxRow) -> dict[str, Any]:
    try:
        return _build_data(row)
    except (KeyError, ValueError) as exc:  # A model's ValidationError is a ValueError.
        raise _IncompleteEventError(row) from exc


def _build_data(row: _OutboxRow) -> dict[str, Any]:
    """Return the data for clients; internal data of the event, such as who asked, is left out."""
    event_type = EventType(f"job.{row.type}")
    internal = json.loads(row.data)
    common = {
        "job_id": row.job_id,
        "type": row.job_type,
        "project_id": row.project_id,
        "status": STATUS_SINCE.get(event_type) or internal.get("status", JobStatus.PROCESSING),
        "credits_cost": row.credits_cost,
    }
    data: JobData
    if event_type in ENDS:
        data = EndData(
            **common,
            credits_refunded=row.credits_refunded,
            processing_time_ms=row.processing_time_ms,
            media_ids=json.loads(row.media_ids or "[]"),
            error=_build_error(row.error_code, row.error_message),
        )
    elif event_type == EventType.RETRYING:
        error = _build_error(internal.get("error_code"))
        data = AttemptData(**common, attempt=internal["attempt"], error=error)
    else:
        data = JobData(**common)
    return data.model_dump(mode="json")


def _build_error(code: str | None, message: str | None = None) -> EventError | None:
    if code is None:
        return None
    policy = get_policy(code)
    return EventError(code=code, message=message or policy.message, retryable=policy.retryable)
