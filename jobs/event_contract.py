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
    """The type of an event of a job."""

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
    Field(description="The status of the job after this event."),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EventError(_Strict):
    """The error of a job, as in the job's own ``error``."""

    code: str
    message: str
    retryable: bool


class JobData(_Strict):
    """The data that every event has."""

    job_id: UUID
    type: str = Field(description="The name of the feature.")
    project_id: UUID | None
    status: Status
    credits_cost: int = Field(description="0 until a job that waited for its media is charged.")


class AttemptData(JobData):
    """The data of an event about a new attempt."""

    attempt: int = Field(description="The number of the attempt, from 1.")
    error: EventError | None = Field(
        description="Why the previous attempt ended. Null if our staff ended it."
    )


class EndData(JobData):
    """The data of an event about the end of a job."""

    credits_refunded: int = Field(description="The refunded part of `credits_cost`.")
    processing_time_ms: int | None = Field(
        description="The time since a machine began its last attempt. Null if none did."
    )
    media_ids: list[UUID] = Field(description="The media files of the result.")
    error: EventError | None


class _Event(_Strict):
    seq: int = Field(
        ge=1,
        description="The number of the event for its user: from 1, without gaps except where "
        "an epoch begins.",
    )
    timestamp: datetime = Field(description="The time of the event, in UTC with microseconds.")
    hash: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the compact JSON of "
        "`[hash of the event before, seq, type, timestamp, data]`, keys sorted; before the first "
        "event the hash is 64 zeros.",
    )


class JobRequested(_Event):
    """The job was accepted, and charged unless it waits for its media to be checked."""

    type: Literal[EventType.REQUESTED]
    data: JobData


class JobStarted(_Event):
    """Work on the job began."""

    type: Literal[EventType.STARTED]
    data: JobData


class JobRetrying(_Event):
    """An attempt failed, and the next one begins."""

    type: Literal[EventType.RETRYING]
    data: AttemptData


class JobRequeued(_Event):
    """Our staff started another attempt of the job."""

    type: Literal[EventType.REQUEUED]
    data: JobData


class JobCompleted(_Event):
    """The job was completed, and its result is available."""

    type: Literal[EventType.COMPLETED]
    data: EndData


class JobFailed(_Event):
    """The job failed, and was refunded."""

    type: Literal[EventType.FAILED]
    data: EndData


class JobCancelled(_Event):
    """The job was cancelled."""

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
    """A page of a user's events in the order of ``seq``."""

    events: list[Event]


class Head(_Strict):
    """The head of a user's event log, by which clients can prove that no event is missing."""

    seq: int = Field(ge=0, description="The seq of the last event. 0 before the first.")
    hash: str = Field(description="The hash of the last event. 64 zeros before the first.")
    oldest_seq: int | None = Field(
        description="The seq of the oldest stored event. Null if none is stored."
    )
    epoch: int = Field(
        ge=0,
        description="The epoch of the log, which increases after a restore. If it has increased, "
        "events that you know may be lost: read the jobs again.",
    )


Wire = dict[str, Any]
"""An event as JSON: ``seq``, ``type``, ``timestamp``, ``data``, ``hash``."""
