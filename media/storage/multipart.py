"""Split large uploads into parts that every storage accepts.

S3 wants 5 MiB in each part but the last and at most 10,000 parts; R2 also wants all parts but the
last to be equal. A client sends a part that failed again, without the others.
"""

from dataclasses import dataclass

MULTIPART_BYTES = 100 * 1024**2
"""Larger files are uploaded in parts."""
PART_BYTES = 16 * 1024**2
MAX_PARTS = 1000
"""One response contains a URL for each part."""
STEP_BYTES = 1024**2


@dataclass(frozen=True)
class Part:
    """A byte range of the file; ``number`` counts from 1."""

    number: int
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class StoredPart:
    """A part that the storage has; ``etag`` is sent when the parts are joined."""

    number: int
    size_bytes: int
    etag: str


def choose_part_bytes(size_bytes: int, max_parts: int = MAX_PARTS) -> int:
    """Return the size of the parts of a file, except for the last part."""
    min_bytes = -(-size_bytes // max_parts)
    return max(PART_BYTES, -(-min_bytes // STEP_BYTES) * STEP_BYTES)


def split_parts(size_bytes: int, part_bytes: int) -> list[Part]:
    """Return the parts of a file in order."""
    return [
        Part(number, offset, min(part_bytes, size_bytes - offset))
        for number, offset in enumerate(range(0, size_bytes, part_bytes), 1)
    ]
