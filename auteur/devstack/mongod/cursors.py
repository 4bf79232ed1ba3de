"""Server-side cursors: results handed out in batches, bounded in number, size and age."""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from bson import Int64
from bson.raw_bson import RawBSONDocument

from .errors import CommandError, ErrorCode
from .values import MAX_DOCUMENT_BYTES, Document, encode

FIRST_BATCH: Final = 101
MAX_CURSORS: Final = 1_000
IDLE_SECONDS: Final = 600.0


@dataclass
class Cursor:
    """What is left of one result; `pending` is a document that did not fit the last batch."""

    namespace: str
    documents: Iterator[Document]
    used_at: float
    pending: bytes | None = None
    exhausted: bool = False

    def take(self, limit: int | None) -> list[Any]:
        """Up to `limit` documents, fewer when they would exceed 16 MiB together."""
        batch: list[Any] = []
        size = 0
        while limit is None or len(batch) < limit:
            raw = self._next()
            if raw is None:
                self.exhausted = True
                break
            size += len(raw)
            if batch and size > MAX_DOCUMENT_BYTES:
                self.pending = raw
                break
            batch.append(RawBSONDocument(raw))
        return batch

    def _next(self) -> bytes | None:
        if self.pending is not None:
            raw, self.pending = self.pending, None
            return raw
        document = next(self.documents, None)
        return None if document is None else encode(document)


class CursorTable:
    """The open cursors by id; the longest unused one makes room when there are too many."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._cursors: dict[int, Cursor] = {}
        self._clock = clock

    def __len__(self) -> int:
        return len(self._cursors)

    def open(
        self,
        namespace: str,
        documents: Iterable[Document],
        *,
        batch_size: int | None = FIRST_BATCH,
        single_batch: bool = False,
    ) -> Document:
        """The `cursor` reply with the first batch; id 0 when nothing is left to fetch."""
        cursor = Cursor(namespace, iter(documents), self._clock())
        batch = cursor.take(batch_size)
        cursor_id = 0
        if not (cursor.exhausted or single_batch):
            self._make_room()
            cursor_id = secrets.randbelow(2**62) + 1
            self._cursors[cursor_id] = cursor
        return _reply(cursor_id, namespace, "firstBatch", batch)

    def get_more(self, cursor_id: int, namespace: str, *, batch_size: int | None) -> Document:
        """The `cursor` reply with the next batch, and id 0 when it is the last."""
        self._drop_idle()
        cursor = self._cursors.pop(cursor_id, None)
        if cursor is None:
            raise CommandError(ErrorCode.CursorNotFound, f"cursor id {cursor_id} not found")
        # Put back at the end: the table stays in the order of last use.
        self._cursors[cursor_id] = cursor
        if cursor.namespace != namespace:
            raise CommandError(
                ErrorCode.Unauthorized,
                f"Requested getMore on namespace '{namespace}', but cursor belongs to a "
                f"different namespace {cursor.namespace}",
            )
        cursor.used_at = self._clock()
        batch = cursor.take(batch_size)
        if cursor.exhausted:
            del self._cursors[cursor_id]
            cursor_id = 0
        return _reply(cursor_id, namespace, "nextBatch", batch)

    def kill(self, cursor_ids: Iterable[int]) -> tuple[list[int], list[int]]:
        """Close cursors; returns those that were open and those that were not."""
        killed: list[int] = []
        unknown: list[int] = []
        for cursor_id in cursor_ids:
            found = self._cursors.pop(cursor_id, None)
            (unknown if found is None else killed).append(cursor_id)
        return killed, unknown

    def _make_room(self) -> None:
        self._drop_idle()
        if len(self._cursors) >= MAX_CURSORS:
            del self._cursors[next(iter(self._cursors))]

    def _drop_idle(self) -> None:
        oldest_allowed = self._clock() - IDLE_SECONDS
        idle = [key for key, cursor in self._cursors.items() if cursor.used_at < oldest_allowed]
        for key in idle:
            del self._cursors[key]


def _reply(cursor_id: int, namespace: str, batch_name: str, batch: list[Any]) -> Document:
    return {"cursor": {"id": Int64(cursor_id), "ns": namespace, batch_name: batch}}
