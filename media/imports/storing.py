"""Store fetched bytes in parts, so that another worker can resume after the last part."""

from collections.abc import Sequence
from typing import Protocol

from media import parts
from media.imports.limits import MAX_PARTS, PART_BYTES
from media.models import MediaFile
from media.storage import ObjectMissingError, object_storage
from media.storage.multipart import STEP_BYTES, StoredPart


def list_arrived_parts(media: MediaFile) -> list[StoredPart]:
    """Return the stored parts from the beginning of the file up to the first gap."""
    if not media.upload_id or media.file_size_bytes is None:
        return []
    try:
        stored = {part.number: part for part in parts.list_stored_parts(media)}
    except ObjectMissingError:
        return []
    contiguous = []
    for expected in parts.list_expected_parts(media):
        part = stored.get(expected.number)
        if part is None or part.size_bytes != expected.size_bytes:
            break
        contiguous.append(part)
    return contiguous


def choose_part_bytes(size_bytes: int) -> int:
    """Return the size of a file's parts; small, because each transfer keeps one in memory."""
    min_bytes = -(-size_bytes // MAX_PARTS)
    return max(PART_BYTES, -(-min_bytes // STEP_BYTES) * STEP_BYTES)


class MultipartRow(Protocol):
    """A row whose object is uploaded in parts."""

    upload_id: str
    upload_part_bytes: int | None

    @property
    def object_key(self) -> str: ...


class PartWriter:
    """A buffer that stores each complete part; its methods raise ``ObjectMissingError``."""

    def __init__(self, row: MultipartRow, stored_parts: Sequence[StoredPart] = ()) -> None:
        self._row = row
        self._part_bytes = row.upload_part_bytes or 1
        self._number = len(stored_parts)
        self._buffer = bytearray()

    def write(self, chunk: bytes) -> bool:
        """Add a chunk; return True if it completed a part."""
        self._buffer += chunk
        if len(self._buffer) < self._part_bytes:
            return False
        while len(self._buffer) >= self._part_bytes:
            self._store_part(self._part_bytes)
        return True

    def close(self) -> None:
        """Store the remaining bytes as the last part."""
        if self._buffer:
            self._store_part(len(self._buffer))

    def _store_part(self, size_bytes: int) -> None:
        with memoryview(self._buffer) as view:
            content = bytes(view[:size_bytes])
        del self._buffer[:size_bytes]
        self._number += 1
        object_storage().write_part(
            self._row.object_key, self._row.upload_id, self._number, content
        )
