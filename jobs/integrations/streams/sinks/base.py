"""Define what all sinks have in common: their protocols, values and errors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from gpu_tasks.runtime.errors import AuteurError
from jobs.integrations.streams.names import Stream


class SinkError(AuteurError):
    """Raised if not all records were written, or none."""


class SinkAwayError(SinkError):
    """Raised if the broker does not answer. Wait and write the same records again."""


class SinkRefusedError(SinkError):
    """Raised if the broker refuses. The message says what to change."""


class LogBehindError(SinkRefusedError):
    """Raised if the sink has more than the log: the database was restored to an earlier state."""


class SinkMovedError(SinkError):
    """Raised if the sink has another position than the last one written. Connect again."""


class EncodedRecord(NamedTuple):
    """A record as it is written."""

    stream: str
    key: str
    value: bytes
    timestamp_ms: int
    """When the event happened, in Unix milliseconds."""


class Sink(Protocol):
    """The destination of one publishing process. It is not thread-safe."""

    def begin(self) -> int | None:
        """Connect and return the position that the sink stores, or None if it stores none.

        Raises ``SinkAwayError`` and ``SinkRefusedError``.
        """

    def write(self, records: Sequence[EncodedRecord], position: int | None) -> None:
        """Write all records, and the position unless it is None. Return once they are stored.

        Raises ``SinkError``; some records may have been written then.
        """

    def close(self) -> None:
        """Disconnect. It does nothing without a connection."""


@dataclass(frozen=True)
class StoredRecord:
    """A record as it is read."""

    stream: str
    location: str
    """The position in the stream: the id in Redis, or partition and offset."""
    key: str
    value: bytes
    at: datetime
    """When the event happened, or when the broker stored it."""


@dataclass(frozen=True)
class Check:
    """The result of one check. ``problem`` is empty if the check passed."""

    name: str
    detail: str = ""
    problem: str = ""


@dataclass(frozen=True)
class StreamCreation:
    """The result of `StreamAdmin.create` for one stream."""

    stream: str
    created: bool


@dataclass(frozen=True)
class StreamLength:
    """The number of records in a stream."""

    stream: str
    records: int
    """The stored records. In Kafka there may be fewer."""


@dataclass(frozen=True)
class GroupLag:
    """The lag of a consumer group in a stream."""

    stream: str
    group: str
    lag: int
    """How many records were not delivered to the group."""
    pending: int = 0
    """How many delivered records are not acknowledged. Kafka counts these in the lag."""


@dataclass(frozen=True)
class StreamStandings:
    """The lengths of streams and the lags of their groups."""

    lengths: tuple[StreamLength, ...]
    groups: tuple[GroupLag, ...]


class StreamAdmin(Protocol):
    """The administration of streams. Every method raises ``SinkError``."""

    def create(self, streams: Iterable[Stream]) -> list[StreamCreation]:
        """Create missing streams. Existing ones are not changed."""

    def check(self, streams: Iterable[Stream]) -> list[Check]:
        """Check the connection, the credentials and the streams, up to the first failure."""

    def peek(self, stream: str, count: int) -> list[StoredRecord]:
        """Return the last records, the oldest first. A missing stream has none."""

    def tail(self, streams: Sequence[str]) -> Iterator[StoredRecord]:
        """Yield new records as they are added, for ever."""

    def standing(self, streams: Iterable[Stream]) -> StreamStandings:
        """Return the lengths of streams and the lags of groups."""
