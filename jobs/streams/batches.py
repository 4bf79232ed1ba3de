"""Events read from the log and made into records, ready to be written."""

import logging
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from django.db import connection

from jobs.events import log
from jobs.streams.encoding import MAX_RECORD_BYTES, RegistryError, encoder
from jobs.streams.records import Record, records_of
from jobs.streams.sinks.base import Encoded

logger = logging.getLogger(__name__)

MAX_EVENTS = 1000
"""Of one batch."""
FIRST_EVENTS = 50
"""Of the first; then twice as many each time, as long as batches stay small."""
MAX_BYTES = 8 * 1024**2
"""Of encoded records; a batch that exceeds it is followed by one of half as many events."""


@dataclass(frozen=True)
class Batch:
    """What comes after a position, up to another one."""

    after: int
    last: int
    events: int
    asked: int
    """How many events it might have had."""
    records: list[Encoded]

    @property
    def is_full(self) -> bool:
        """Whether there may be more."""
        return self.events == self.asked

    @property
    def next_size(self) -> int:
        """Of how many events the next one may be, by the bytes of this one."""
        size = sum(len(record.value) for record in self.records)
        if size > MAX_BYTES:
            return max(1, self.asked // 2)
        return min(MAX_EVENTS, 2 * self.asked) if 4 * size < MAX_BYTES else self.asked


class Reader:
    """Reads batches, the next one while the one before is being written."""

    def __init__(self) -> None:
        self._encode = encoder()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._ahead: Future[Batch] | None = None
        self._size = FIRST_EVENTS

    def restart(self) -> None:
        """Forget what was read, and begin with a small batch."""
        self._ahead = None
        self._size = FIRST_EVENTS

    def next(self, position: int) -> Batch:
        """What comes after the position; raises ``RegistryError`` and the database's errors."""
        ahead, self._ahead = self._ahead, None
        batch = ahead.result() if ahead is not None else None
        if batch is None or batch.after != position or not batch.events:
            batch = self._read(position, self._size)
        if batch.is_full:
            self._size = batch.next_size
            self._ahead = self._thread.submit(self._read_ahead, batch.last, self._size)
        return batch

    def close(self) -> None:
        """End the thread, and its connection."""
        self._thread.submit(self._disconnect)
        self._thread.shutdown()

    def _disconnect(self) -> None:
        connection.close()  # of the thread that asks for it

    def _read_ahead(self, position: int, size: int) -> Batch:
        try:
            return self._read(position, size)
        except Exception:
            connection.close()
            raise

    def _read(self, position: int, size: int) -> Batch:
        rows = log.list_events_of_all(position=position, limit=size)
        if not rows:
            return Batch(position, position, 0, size, [])
        first, last = rows[0][0], rows[-1][0]
        if first > position + 1 and first == log.first_position():
            logger.warning(
                "streams: after position %d the log begins at %d, for older events were removed",
                position,
                first,
            )
        return Batch(position, last, len(rows), size, self.encoded(records_of(rows)))

    def encoded(self, records: Iterable[Record]) -> list[Encoded]:
        """Without those that cannot be written: they must not hold back all others.

        Raises ``RegistryError``.
        """
        return [one for one in map(self._encoded_one, records) if one is not None]

    def _encoded_one(self, record: Record) -> Encoded | None:
        try:
            value = self._encode(record)
        except RegistryError:
            raise
        except Exception:
            logger.exception("streams: %s is left out", _name(record))
            return None
        if len(value) > MAX_RECORD_BYTES:
            logger.error("streams: %s is left out, of %d bytes", _name(record), len(value))
            return None
        milliseconds = int(1000 * record.timestamp.timestamp())
        return Encoded(record.stream, record.key, value, milliseconds)


def _name(record: Record) -> str:
    return f"a record of {record.stream}, user {record.key}, event {record.seq}"
