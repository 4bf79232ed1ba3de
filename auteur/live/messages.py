"""The messages to clients: events of the log, and progress."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from jobs.event_contract import ENDS, Wire

PROGRESS_TYPE = "job.progress"


def encode_json(value: Any) -> str:
    """Return the value as JSON in one line."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class Entry:
    """An event of the log. All subscribers share one text of it."""

    job_id: UUID
    event: Wire

    @property
    def seq(self) -> int:
        return int(self.event["seq"])

    @property
    def is_end(self) -> bool:
        """Return True if its job has no further event."""
        return self.event["type"] in ENDS

    @cached_property
    def text(self) -> str:
        """Return the event as JSON."""
        return encode_json(self.event)


@dataclass(frozen=True)
class Progress:
    """The progress of a job. It has no number, and a newer one replaces it."""

    user_id: UUID
    job_id: UUID
    text: str
    """The progress as JSON."""


def build_entry(event: Wire) -> Entry:
    """Return the entry for an event of the log."""
    return Entry(UUID(event["data"]["job_id"]), event)


def parse_progress(message: bytes) -> Progress:
    """Parse a message of the channel. Raise ``ValueError``, ``KeyError`` or ``TypeError``."""
    fields = json.loads(message)
    user_id = UUID(fields.pop("user_id"))
    return Progress(user_id, UUID(fields["job_id"]), encode_json(fields))
