"""What streams say of an event of the numbered log, of progress, of the API's usage."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from jobs.events.contract import Wire

Row = tuple[int, UUID, UUID, Wire]
"""Of `jobs.events.log.tail`: position, user, job, event."""


@dataclass(frozen=True)
class Record:
    """One record of a stream, as plain values; the same each time that it is made."""

    stream: str
    key: str
    """The user's id: what has the same key stays in order."""
    value: dict[str, Any]
    """By the stream's schema."""
    timestamp: datetime
    """When it happened."""
    seq: int | None
    """The event's number, by which readers drop doubles; None for progress and usage."""


def records_of(rows: Iterable[Row]) -> list[Record]:
    """What these events make, in their order; one statement reads what they need of their jobs.

    Raises Django's database errors.
    """
    raise NotImplementedError


def progress_record(message: bytes | str | Mapping[str, Any]) -> Record:
    """What a message of `jobs.progress.PROGRESS_CHANNEL` makes.

    Raises ``ValueError``, ``KeyError`` or ``TypeError`` for anything else.
    """
    raise NotImplementedError
