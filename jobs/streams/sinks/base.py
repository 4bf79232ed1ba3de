"""What all sinks have in common: what is written, how it is looked at, and what can go wrong."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from gpu_tasks.runtime.errors import AuteurError
from jobs.streams.names import Stream


class SinkError(AuteurError):
    """Nothing, or not everything, was written."""


class SinkAwayError(SinkError):
    """The broker does not answer: wait, and write the same again."""


class SinkRefusedError(SinkError):
    """The broker refuses; the message says what somebody must change."""


class LogBehindError(SinkRefusedError):
    """The sink has more than the log holds: the database was set back."""


class SinkMovedError(SinkError):
    """It has not the position that was written last: begin again."""


class Encoded(NamedTuple):
    """A record as it is written."""

    stream: str
    key: str
    value: bytes
    timestamp_ms: int
    """When it happened, in Unix milliseconds."""


class Sink(Protocol):
    """Where one process publishes; it is not safe for use by several threads."""

    def begin(self) -> int | None:
        """Connect; the position that is known there, None where none is kept.

        Raises ``SinkAwayError`` and ``SinkRefusedError``.
        """

    def write(self, records: Sequence[Encoded], position: int | None) -> None:
        """Return once the broker has all of them, and the position unless it is None.

        Raises ``SinkError``; some may have been written then.
        """

    def close(self) -> None:
        """Disconnect; without effect where there is no connection."""


@dataclass(frozen=True)
class Stored:
    """A record as it is read."""

    stream: str
    place: str
    """Of it in its stream: Redis' id, or partition and offset."""
    key: str
    value: bytes
    at: datetime
    """When it happened, or when it was added, as the broker tells."""


@dataclass(frozen=True)
class Check:
    """What was looked at, and what is wrong with it: nothing, if ``problem`` is empty."""

    name: str
    detail: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Made:
    """A stream as `StreamAdmin.create` left it."""

    stream: str
    created: bool
    differs: tuple[str, ...] = ()
    """From what the table of streams says; nothing of this was changed."""


@dataclass(frozen=True)
class Length:
    """What a stream holds."""

    stream: str
    records: int
    """That are kept, or in Kafka at most that many."""


@dataclass(frozen=True)
class GroupLag:
    """How far a consumer group is behind in a stream."""

    stream: str
    group: str
    lag: int
    """Records that it has not been given."""
    pending: int = 0
    """That it was given and has not acknowledged; Kafka counts these in the lag."""


@dataclass(frozen=True)
class Standing:
    """How streams and their groups stand."""

    lengths: tuple[Length, ...]
    groups: tuple[GroupLag, ...]


class StreamAdmin(Protocol):
    """Looks at streams and makes them. Every method raises ``SinkError``."""

    def create(self, streams: Iterable[Stream]) -> list[Made]:
        """Make those that are missing; doing it again changes nothing."""

    def check(self, streams: Iterable[Stream]) -> list[Check]:
        """Connection, credentials and streams, as far as one can come."""

    def peek(self, stream: str, count: int) -> list[Stored]:
        """The last records, the oldest first; none where there is no such stream yet."""

    def tail(self, streams: Sequence[str]) -> Iterator[Stored]:
        """What is added from now on, for ever."""

    def standing(self, streams: Iterable[Stream]) -> Standing:
        """Lengths of streams, and lags of groups."""
