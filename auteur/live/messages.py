"""What is told to clients: events of the log, and progress."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from jobs.events.contract import ENDS, Wire

PROGRESS_TYPE = "job.progress"


def compact(value: Any) -> str:
    """As JSON, in one line."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class Entry:
    """An event of the log. All who get it share one text of it."""

    job_id: UUID
    event: Wire

    @property
    def seq(self) -> int:
        return int(self.event["seq"])

    @property
    def is_end(self) -> bool:
        """Whether its job has no further event."""
        return self.event["type"] in ENDS

    @cached_property
    def text(self) -> str:
        """The event as JSON."""
        return compact(self.event)


@dataclass(frozen=True)
class Progress:
    """How far a job is: it has no number, and a newer one takes its place."""

    user_id: UUID
    job_id: UUID
    text: str
    """As JSON."""


def entry_of(event: Wire) -> Entry:
    """An event as the log tells it."""
    return Entry(UUID(event["data"]["job_id"]), event)


def progress_of(message: bytes) -> Progress:
    """A message of the channel; raises ``ValueError``, ``KeyError`` or ``TypeError``."""
    told = json.loads(message)
    user_id = UUID(told.pop("user_id"))
    return Progress(user_id, UUID(told["job_id"]), compact(told))
