"""What streams say of an event of the numbered log, and of progress."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from pydantic import AwareDatetime, BaseModel, Field

from gpu_tasks.runtime.errors import POLICIES, ErrorCode
from jobs import sql
from jobs.events.contract import EventType, Wire
from jobs.streams import contents, names, schemas

logger = logging.getLogger(__name__)

Row = tuple[int, UUID, UUID, Wire]
"""Of `jobs.events.log.list_events_of_all`: position, user, job, event."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Record:
    """One record of a stream, as plain values; the same each time that it is made."""

    stream: str
    key: str
    """The user's id: what has the same key stays in order."""
    value: dict[str, Any]
    """By the stream's schema: what it lacks is the default, what that lacks is not written."""
    timestamp: datetime
    """When it happened."""
    seq: int | None
    """The event's number, by which readers drop doubles; None for progress and usage."""


def milliseconds(moment: datetime) -> int:
    """Since 1970, as records have it."""
    return (moment - _EPOCH) // _MILLISECOND


def records_of(rows: Iterable[Row]) -> list[Record]:
    """What these events make, in their order; one statement reads what they need of their jobs.

    Raises Django's database errors.
    """
    rows = list(rows)
    told = _told_of_jobs(rows)
    return [
        record
        for place, row in enumerate(rows)
        for record in _records(row, told.get(place, _Job()))
    ]


class _Progress(BaseModel):
    """A message of `jobs.progress.PROGRESS_CHANNEL`."""

    user_id: UUID
    job_id: UUID
    type: str
    progress: int = Field(ge=0, le=100)
    stage: str | None
    message: str | None
    eta_at: AwareDatetime | None


def progress_record(message: bytes | str) -> Record:
    """What a message of `jobs.progress.PROGRESS_CHANNEL` makes; ``ValueError`` for anything else.

    No message says when it was sent: the record says when it was made.
    """
    told = _Progress.model_validate_json(message)
    job_type = told.type.upper()
    if job_type not in schemas.job_types():
        raise ValueError(f"no schema knows the type {told.type[:50]!r}")
    now = timezone.now()
    value = {
        "job_id": str(told.job_id),
        "user_id": str(told.user_id),
        "type": job_type,
        "progress": told.progress,
        "stage": told.stage,
        "message": told.message,
        "eta_at": told.eta_at and milliseconds(told.eta_at),
        "timestamp": milliseconds(now),
    }
    return Record(names.PROGRESS, str(told.user_id), value, now, seq=None)


# --- Events -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    """What the log does not say of a job, as JSON objects; empty where the job has none."""

    content: str = "{}"
    """Its result where it is completed, else what its user gave."""
    derived: str = "{}"
    """What it goes by besides, where it begins."""


def _told_of_jobs(rows: list[Row]) -> dict[int, _Job]:
    """By the rows' places."""
    wanted = [(place, row) for place, row in enumerate(rows) if row[3]["type"] in _NEEDING_THE_JOB]
    if not wanted:
        return {}
    found = sql.run(
        "told_of_jobs",
        places=[place for place, _ in wanted],
        job_ids=[job_id for _, (_, _, job_id, _) in wanted],
        types=[event["type"] for _, (*_, event) in wanted],
        stored_apart=contents.stored_apart(),
    )
    return {place: _Job(content or "{}", derived or "{}") for place, content, derived in found}


def _records(row: Row, job: _Job) -> list[Record]:
    event, user_id = row[3], str(row[1])
    data = event["data"]
    job_type = data["type"].upper()
    if job_type not in schemas.job_types():
        logger.error("no record of %s: no schema knows jobs of type %s", event["type"], job_type)
        return []
    at = datetime.fromisoformat(event["timestamp"])
    common = {
        "job_id": data["job_id"],
        "user_id": user_id,
        "type": job_type,
        "project_id": data["project_id"],
        "seq": event["seq"],
        "timestamp": milliseconds(at),
    }
    make = _MAKERS.get(event["type"])
    told = [*([make(data, job)] if make else []), (names.ANALYTICS, _analytics(event))]
    return [
        Record(stream, user_id, common | value, at, event["seq"])
        for stream, value in told
        if stream in names.STREAMS  # no longer, where the feature is no more
    ]


_Told = tuple[str, dict[str, Any]]
"""A stream, and what its record says besides what all say."""


def _requested(data: Mapping[str, Any], job: _Job) -> _Told:
    given = contents.bounded(job.content)
    return names.REQUESTED, {"input_params": given, "credits_reserved": data["credits_cost"]}


def _started(data: Mapping[str, Any], job: _Job) -> _Told:
    stream = names.of_feature(data["type"].replace("_", "-"))
    parameters = json.loads(job.derived) | json.loads(job.content)
    typed = contents.typed(stream, parameters) if stream in names.STREAMS else {}
    return stream, typed | {"input_params": contents.bounded(job.content)}


def _completed(data: Mapping[str, Any], job: _Job) -> _Told:
    output = contents.result(data["job_id"], json.loads(job.content))
    return names.COMPLETED, {
        "output_data": contents.bounded(contents.compact(output)),
        "processing_time_ms": data["processing_time_ms"] or 0,
        "media_ids": data["media_ids"],
        "credits_cost": data["credits_cost"],
        "credits_refunded": data["credits_refunded"],
    }


_CANCELLED = {
    "code": ErrorCode.CANCELLED.value,
    "message": POLICIES[ErrorCode.CANCELLED].message,
    "retryable": POLICIES[ErrorCode.CANCELLED].retryable,
}


def _failed(data: Mapping[str, Any], job: _Job) -> _Told:
    error = data["error"] or _CANCELLED
    return names.FAILED, {
        "error_code": error["code"],
        "error_message": error["message"],
        "retryable": error["retryable"],
        "credits_to_refund": data["credits_refunded"],
        "processing_time_ms": data["processing_time_ms"],
        "credits_cost": data["credits_cost"],
    }


_MAKERS = {
    EventType.REQUESTED: _requested,
    EventType.STARTED: _started,
    EventType.COMPLETED: _completed,
    EventType.FAILED: _failed,
    EventType.CANCELLED: _failed,
}
_NEEDING_THE_JOB = {EventType.REQUESTED, EventType.STARTED, EventType.COMPLETED}


def _analytics(event: Wire) -> dict[str, Any]:
    data = event["data"]
    told = ("status", "attempt", "credits_cost", "credits_refunded", "processing_time_ms")
    error = data.get("error")
    return {
        "event": event["type"],
        "error_code": error["code"] if error else None,
        **{name: data[name] for name in told if name in data},
    }
