"""Uploads in parts: how a large file is cut, so that every storage takes it.

S3 wants 5 MiB in each part but the last and at most 10,000 parts; R2 also wants all parts but the
last to be equal. A part that failed is sent again by itself.
"""

from dataclasses import dataclass

MULTIPART_BYTES = 100 * 1024**2
"""Larger files are uploaded in parts."""
PART_BYTES = 16 * 1024**2
MAX_PARTS = 1000
"""Each needs an address in one answer."""
STEP_BYTES = 1024**2


@dataclass(frozen=True)
class Part:
    """A stretch of the file; ``number`` counts from 1."""

    number: int
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class StoredPart:
    """A part that the storage has, with the mark that it asks for when the parts are joined."""

    number: int
    size_bytes: int
    etag: str


def part_bytes_of(size_bytes: int, max_parts: int = MAX_PARTS) -> int:
    """The size of the parts of a file, but for its last one."""
    least = -(-size_bytes // max_parts)
    return max(PART_BYTES, -(-least // STEP_BYTES) * STEP_BYTES)


def parts_of(size_bytes: int, part_bytes: int) -> list[Part]:
    """The parts of a file, in order."""
    return [
        Part(number, offset, min(part_bytes, size_bytes - offset))
        for number, offset in enumerate(range(0, size_bytes, part_bytes), 1)
    ]
