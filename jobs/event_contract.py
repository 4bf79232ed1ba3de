"""Define what events tell clients: the same by pull, SSE, WebSocket, webhook and stream.

Numbers are integers and keys ASCII, so that sorted, compact JSON is canonical (RFC 8785) and any
language can recompute the hashes (docs/events.md).
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from typing_extensions import TypeAliasType

from jobs.states import JobStatus


class EventType(StrEnum):
    """What can happen to a job."""

    REQUESTED = "job.requested"
    STARTED = "job.started"
    RETRYING = "job.retrying"
    REQUEUED = "job.requeued"
    COMPLETED = "job.completed"
    FAILED = "job.failed"
    CANCELLED = "job.cancelled"


ENDS = frozenset({EventType.COMPLETED, EventType.FAILED, EventType.CANCELLED})
"""After one of these a job has no further event."""


Status = Annotated[
    JobStatus,
    WithJsonSchema({"type": "string", "enum": JobStatus.values}),
    Field(description="The job's since this event."),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EventError(_Strict):
    """As the job's own ``error``."""

    code: str
    message: str
    retryable: bool


class JobData(_Strict):
    """What every event says."""

    job_id: UUID
    type: str = Field(description="The feature.")
    project_id: UUID | None
    status: Status
    credits_cost: int = Field(description="0 until a job that waited for its media is charged.")


class AttemptData(JobData):
    """A further attempt begins, and why."""

    attempt: int = Field(description="Its number, from 1.")
    error: EventError | None = Field(
        description="Why the one before it ended; null if our staff ended it."
    )


class EndData(JobData):
    """How it ended."""

    credits_refunded: int = Field(description="Credits, of `credits_cost`.")
    processing_time_ms: int | None = Field(
        description="Since a machine began with its last attempt; null if none did."
    )
    media_ids: list[UUID] = Field(description="The media files of the result.")
    error: EventError | None


class _Event(_Strict):
    seq: int = Field(
        ge=1, description="From 1, without gaps but where an epoch begins, for each user."
    )
    timestamp: datetime = Field(description="When it happened; UTC, in microseconds.")
    hash: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the compact JSON of "
        "`[hash of the event before, seq, type, timestamp, data]`, keys sorted; before the first "
        "event the hash is 64 zeros.",
    )


class JobRequested(_Event):
    """A job was accepted, and charged unless it waits for its media to be checked."""

    type: Literal[EventType.REQUESTED]
    data: JobData


class JobStarted(_Event):
    """Our work on it began."""

    type: Literal[EventType.STARTED]
    data: JobData


class JobRetrying(_Event):
    """An attempt came to nothing; the next one begins."""

    type: Literal[EventType.RETRYING]
    data: AttemptData


class JobRequeued(_Event):
    """Our staff had it begin again."""

    type: Literal[EventType.REQUEUED]
    data: JobData


class JobCompleted(_Event):
    """Its result is there."""

    type: Literal[EventType.COMPLETED]
    data: EndData


class JobFailed(_Event):
    """It came to nothing, and was refunded."""

    type: Literal[EventType.FAILED]
    data: EndData


class JobCancelled(_Event):
    """It was cancelled."""

    type: Literal[EventType.CANCELLED]
    data: EndData


Event = TypeAliasType(
    "Event",
    Annotated[
        JobRequested
        | JobStarted
        | JobRetrying
        | JobRequeued
        | JobCompleted
        | JobFailed
        | JobCancelled,
        Field(discriminator="type"),
    ],
)


class EventPage(_Strict):
    """Some events of a user, by ``seq``."""

    events: list[Event]


class Head(_Strict):
    """How far a user's events go, for whoever wants to prove that none is missing."""

    seq: int = Field(ge=0, description="Of the last event; 0 before the first.")
    hash: str = Field(description="Of the last event; 64 zeros before the first.")
    oldest_seq: int | None = Field(description="Of the first that is kept; null if none is.")
    epoch: int = Field(
        ge=0,
        description="How often the log began anew after a restore. Where it grows, events that you "
        "know may be gone: read the jobs again.",
    )


Wire = dict[str, Any]
"""An event as JSON: ``seq``, ``type``, ``timestamp``, ``data``, ``hash``."""
