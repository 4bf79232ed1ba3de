"""Read events from the log in batches and turn them into encoded records."""

import logging
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from django.db import connection

from jobs.events import log
from jobs.integrations.streams.encoding import MAX_RECORD_BYTES, RegistryError, create_encoder
from jobs.integrations.streams.records import Record, build_records
from jobs.integrations.streams.sinks.base import EncodedRecord

logger = logging.getLogger(__name__)

MAX_EVENTS = 1000
"""The largest number of events in a batch."""
FIRST_EVENTS = 50
"""The size of the first batch. It doubles as long as batches stay small."""
MAX_BYTES = 8 * 1024**2
"""The limit of encoded records. After a larger batch, the next has half as many events."""


@dataclass(frozen=True)
class Batch:
    """The events between two positions, as encoded records."""

    after: int
    last: int
    events: int
    limit: int
    """How many events were requested."""
    records: list[EncodedRecord]

    @property
    def is_full(self) -> bool:
        """Return True if there may be more events."""
        return self.events == self.limit

    @property
    def next_size(self) -> int:
        """Return the size of the next batch in events, based on the bytes of this one."""
        size = sum(len(record.value) for record in self.records)
        if size > MAX_BYTES:
            return max(1, self.limit // 2)
        return min(MAX_EVENTS, 2 * self.limit) if 4 * size < MAX_BYTES else self.limit


class Reader:
    """A reader of batches. It reads the next batch while the current one is written."""

    def __init__(self) -> None:
        self._encode = create_encoder()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._ahead: Future[Batch] | None = None
        self._size = FIRST_EVENTS

    def restart(self) -> None:
        """Discard the batch that was read ahead, and begin with a small one."""
        self._ahead = None
        self._size = FIRST_EVENTS

    def next(self, position: int) -> Batch:
        """Return the batch after the position.

        Raises ``RegistryError`` and the database's errors.
        """
        ahead, self._ahead = self._ahead, None
        batch = ahead.result() if ahead is not None else None
        if batch is None or batch.after != position or not batch.events:
            batch = self._read_batch(position, self._size)
        if batch.is_full:
            self._size = batch.next_size
            self._ahead = self._thread.submit(self._read_ahead, batch.last, self._size)
        return batch

    def close(self) -> None:
        """End the thread and close its connection."""
        self._thread.submit(self._disconnect)
        self._thread.shutdown()

    def _disconnect(self) -> None:
        connection.close()  # This closes the connection of the current thread.

    def _read_ahead(self, position: int, size: int) -> Batch:
        try:
            return self._read_batch(position, size)
        except Exception:
            connection.close()
            raise

    def _read_batch(self, position: int, size: int) -> Batch:
        rows = log.list_events_of_all(position=position, limit=size)
        if not rows:
            return Batch(position, position, 0, size, [])
        first, last = rows[0][0], rows[-1][0]
        if first > position + 1 and first == log.get_first_position():
            logger.warning(
                "streams: after position %d the log begins at %d, for older events were removed",
                position,
                first,
            )
        return Batch(position, last, len(rows), size, self.encoded(build_records(rows)))

    def encoded(self, records: Iterable[Record]) -> list[EncodedRecord]:
        """Return the records encoded, without those that cannot be written.

        The others must not wait for these. Raises ``RegistryError``.
        """
        return [encoded for encoded in map(self._encode_record, records) if encoded is not None]

    def _encode_record(self, record: Record) -> EncodedRecord | None:
        try:
            value = self._encode(record)
        except RegistryError:
            raise
        except Exception:
            logger.exception("streams: %s is left out", _describe_record(record))
            return None
        if len(value) > MAX_RECORD_BYTES:
            logger.error(
                "streams: %s is left out, of %d bytes", _describe_record(record), len(value)
            )
            return None
        milliseconds = int(1000 * record.timestamp.timestamp())
        return EncodedRecord(record.stream, record.key, value, milliseconds)


def _describe_record(record: Record) -> str:
    return f"a record of {record.stream}, user {record.key}, event {record.seq}"
