"""Build the records of streams from events of the event log, and from progress messages."""

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
from jobs.event_contract import EventType, Wire
from jobs.integrations.streams import contents, names, schemas

logger = logging.getLogger(__name__)

Row = tuple[int, UUID, UUID, Wire]
"""A row of `jobs.events.log.list_events_of_all`: position, user, job, event."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Record:
    """One record of a stream, as plain values. It is the same each time it is built."""

    stream: str
    key: str
    """The user's id. Records with the same key stay in order."""
    value: dict[str, Any]
    """Fields of the stream's schema. A missing field has its default; others are dropped."""
    timestamp: datetime
    """When the event happened."""
    seq: int | None
    """The event's number, by which readers drop duplicates. None for progress and usage."""


def to_milliseconds(moment: datetime) -> int:
    """Return a time in milliseconds since 1970, as records state it."""
    return (moment - _EPOCH) // _MILLISECOND


def build_records(rows: Iterable[Row]) -> list[Record]:
    """Return the records of these events, in order. One query reads all the jobs' contents.

    Raises Django's database errors.
    """
    rows = list(rows)
    contents_by_index = _load_job_contents(rows)
    return [
        record
        for index, row in enumerate(rows)
        for record in _build_records(row, contents_by_index.get(index, _JobContents()))
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


def build_progress_record(message: bytes | str) -> Record:
    """Return the record of a message of `jobs.progress.PROGRESS_CHANNEL`.

    Raises ``ValueError`` if it is not such a message. Messages do not say when they were sent, so
    the record has the time at which it is built.
    """
    progress = _Progress.model_validate_json(message)
    job_type = progress.type.upper()
    if job_type not in schemas.list_job_types():
        raise ValueError(f"no schema knows the type {progress.type[:50]!r}")
    now = timezone.now()
    value = {
        "job_id": str(progress.job_id),
        "user_id": str(progress.user_id),
        "type": job_type,
        "progress": progress.progress,
        "stage": progress.stage,
        "message": progress.message,
        "eta_at": progress.eta_at and to_milliseconds(progress.eta_at),
        "timestamp": to_milliseconds(now),
    }
    return Record(names.PROGRESS, str(progress.user_id), value, now, seq=None)


# --- Events -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _JobContents:
    """The contents of a job that the event log does not have, as JSON objects."""

    content: str = "{}"
    """The result of a completed job, otherwise the parameters that its user gave."""
    derived: str = "{}"
    """The derived parameters, if the job is starting."""


def _load_job_contents(rows: list[Row]) -> dict[int, _JobContents]:
    """Return the contents of the rows' jobs, by the rows' indexes."""
    indexed_rows = [
        (index, row) for index, row in enumerate(rows) if row[3]["type"] in _TYPES_WITH_CONTENTS
    ]
    if not indexed_rows:
        return {}
    results = sql.run(
        "told_of_jobs",
        places=[index for index, _ in indexed_rows],
        job_ids=[job_id for _, (_, _, job_id, _) in indexed_rows],
        types=[event["type"] for _, (*_, event) in indexed_rows],
        stored_apart=contents.list_stored_apart(),
    )
    return {
        index: _JobContents(content or "{}", derived or "{}") for index, content, derived in results
    }


def _build_records(row: Row, job: _JobContents) -> list[Record]:
    event, user_id = row[3], str(row[1])
    data = event["data"]
    job_type = data["type"].upper()
    if job_type not in schemas.list_job_types():
        logger.error("no record of %s: no schema knows jobs of type %s", event["type"], job_type)
        return []
    timestamp = datetime.fromisoformat(event["timestamp"])
    common = {
        "job_id": data["job_id"],
        "user_id": user_id,
        "type": job_type,
        "project_id": data["project_id"],
        "seq": event["seq"],
        "timestamp": to_milliseconds(timestamp),
    }
    build = _BUILDERS.get(event["type"])
    stream_values = [
        *([build(data, job)] if build else []),
        (names.ANALYTICS, _build_analytics_value(event)),
    ]
    return [
        Record(stream, user_id, common | value, timestamp, event["seq"])
        for stream, value in stream_values
        if stream in names.STREAMS  # The stream is gone if its feature is.
    ]


_StreamValue = tuple[str, dict[str, Any]]
"""A stream, and the fields of its record apart from the common ones."""


def _build_requested_value(data: Mapping[str, Any], job: _JobContents) -> _StreamValue:
    parameters = contents.dump_bounded(job.content)
    return names.REQUESTED, {"input_params": parameters, "credits_reserved": data["credits_cost"]}


def _build_started_value(data: Mapping[str, Any], job: _JobContents) -> _StreamValue:
    stream = names.get_feature_stream(data["type"].replace("_", "-"))
    parameters = json.loads(job.derived) | json.loads(job.content)
    typed = contents.select_typed_fields(stream, parameters) if stream in names.STREAMS else {}
    return stream, typed | {"input_params": contents.dump_bounded(job.content)}


def _build_completed_value(data: Mapping[str, Any], job: _JobContents) -> _StreamValue:
    output = contents.build_result(data["job_id"], json.loads(job.content))
    return names.COMPLETED, {
        "output_data": contents.dump_bounded(contents.dump_compact(output)),
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


def _build_failed_value(data: Mapping[str, Any], job: _JobContents) -> _StreamValue:
    error = data["error"] or _CANCELLED
    return names.FAILED, {
        "error_code": error["code"],
        "error_message": error["message"],
        "retryable": error["retryable"],
        "credits_to_refund": data["credits_refunded"],
        "processing_time_ms": data["processing_time_ms"],
        "credits_cost": data["credits_cost"],
    }


_BUILDERS = {
    EventType.REQUESTED: _build_requested_value,
    EventType.STARTED: _build_started_value,
    EventType.COMPLETED: _build_completed_value,
    EventType.FAILED: _build_failed_value,
    EventType.CANCELLED: _build_failed_value,
}
_TYPES_WITH_CONTENTS = {EventType.REQUESTED, EventType.STARTED, EventType.COMPLETED}


def _build_analytics_value(event: Wire) -> dict[str, Any]:
    data = event["data"]
    field_names = ("status", "attempt", "credits_cost", "credits_refunded", "processing_time_ms")
    error = data.get("error")
    return {
        "event": event["type"],
        "error_code": error["code"] if error else None,
        **{name: data[name] for name in field_names if name in data},
    }
