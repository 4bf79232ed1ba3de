"""Parse HTTP range requests (RFC 9110, section 14) with one range, as players send them."""

import re
from dataclasses import dataclass

from gpu_tasks.runtime.errors import AuteurError

ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class NotSatisfiableError(AuteurError):
    """Raised if the range begins after the object's end."""


@dataclass(frozen=True)
class ByteRange:
    """The bytes from ``start`` to ``end``, both included."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start + 1


def parse_range(header: str, size: int) -> ByteRange | None:
    """Return the requested range, or None (the whole object) for none, several or a bad one.

    Raises ``NotSatisfiableError``.
    """
    match = ONE_RANGE.fullmatch(header)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last or size), size - 1)
        if last and int(last) < start:
            return None
    if start > end:
        raise NotSatisfiableError
    return ByteRange(start, end)
