"""What is fetched goes into the storage in parts, so that another worker can go on behind them."""

from collections.abc import Sequence
from typing import Protocol

from media import parts
from media.imports.limits import MAX_PARTS, PART_BYTES
from media.models import MediaFile
from media.storage import ObjectMissingError, object_storage
from media.storage.multipart import STEP_BYTES, StoredPart


def arrived(media: MediaFile) -> list[StoredPart]:
    """The parts that are stored without a gap, from the file's beginning on."""
    if not media.upload_id or media.file_size_bytes is None:
        return []
    try:
        stored = {part.number: part for part in parts.list_stored_parts(media)}
    except ObjectMissingError:
        return []
    whole = []
    for wanted in parts.list_expected_parts(media):
        part = stored.get(wanted.number)
        if part is None or part.size_bytes != wanted.size_bytes:
            break
        whole.append(part)
    return whole


def part_bytes_of(size_bytes: int) -> int:
    """Return the size of the parts of a file: small, for each transfer keeps one in memory."""
    least = -(-size_bytes // MAX_PARTS)
    return max(PART_BYTES, -(-least // STEP_BYTES) * STEP_BYTES)


class InParts(Protocol):
    """A row whose object comes in parts."""

    upload_id: str
    upload_part_bytes: int | None

    @property
    def object_key(self) -> str: ...


class PartWriter:
    """Stores what comes, as soon as it is a whole part; raises ``ObjectMissingError``."""

    def __init__(self, row: InParts, behind: Sequence[StoredPart] = ()) -> None:
        self._row = row
        self._part_bytes = row.upload_part_bytes or 1
        self._number = len(behind)
        self._waiting = bytearray()

    def write(self, chunk: bytes) -> bool:
        """Whether a part was completed by it."""
        self._waiting += chunk
        if len(self._waiting) < self._part_bytes:
            return False
        while len(self._waiting) >= self._part_bytes:
            self._store(self._part_bytes)
        return True

    def close(self) -> None:
        """Store the rest."""
        if self._waiting:
            self._store(len(self._waiting))

    def _store(self, size_bytes: int) -> None:
        with memoryview(self._waiting) as waiting:
            content = bytes(waiting[:size_bytes])
        del self._waiting[:size_bytes]
        self._number += 1
        object_storage().write_part(
            self._row.object_key, self._row.upload_id, self._number, content
        )
