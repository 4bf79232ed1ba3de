"""Measure how much of a source is present: files break off, and their headers promise more."""

from dataclasses import dataclass

import av
import av.error
from av.container import InputContainer
from av.stream import Stream

from gpu_tasks.mediakit.decoding import (
    TOLERANCE_SECONDS,
    find_header_seconds,
    get_zero,
    read_packets,
)
from gpu_tasks.mediakit.film import MIN_DECODED_SHARE

TAIL_SECONDS = 5.0
"""The length of the end that is read first; if it is readable, the file is complete."""

OWN_LENGTHS = "mov"
"""Formats that store the length of each stream. Other formats store the longest stream's only."""


@dataclass(frozen=True)
class Extent:
    """The end of a stream, in seconds from the container's start."""

    header_end: float | None
    """According to the header; None if it does not say."""
    readable_end: float
    """The end of what can be read of the file."""
    last_at: float
    """The start of its last picture or sound packet."""

    @property
    def is_whole(self) -> bool:
        """Return True if no more is missing than players tolerate."""
        if self.header_end is None:
            return True
        tolerance = min(TOLERANCE_SECONDS, (1 - MIN_DECODED_SHARE) * self.header_end)
        return self.header_end - self.readable_end <= tolerance

    def lacks(self, begin: float, end: float) -> bool:
        """Return True if too little is readable of what the header promises between two times."""
        if self.header_end is None or self.is_whole:
            return False
        end = min(end, self.header_end)
        return begin < end and self.readable_end - begin < MIN_DECODED_SHARE * (end - begin)


@dataclass
class _StreamEnd:
    """The begin and end of the last packet that was read of a stream."""

    last_at: float
    end: float


def measure_extent(container: InputContainer, stream: Stream) -> Extent:
    """Return the extent of a stream; the beginning of a complete file is not read."""
    starts_at = get_zero(container)
    header = find_header_seconds(container)
    header_end = None if header is None else float(header)
    has_own = bool(OWN_LENGTHS in container.format.name and stream.duration and stream.time_base)
    if header_end is not None and has_own and stream.duration and stream.time_base:
        end = (stream.start_time or 0) + stream.duration
        # FFmpeg may count an empty edit twice.
        header_end = min(header_end, float(end * stream.time_base) - starts_at)
    if header_end is None and stream.type != "video":
        return Extent(None, 0.0, 0.0)
    begins = [0.0] if header_end is None else [max(0.0, header_end - TAIL_SECONDS), 0.0]
    for begin in begins:
        stream_ends = _read_stream_ends(container, starts_at, begin)
        stream_end = stream_ends.get(stream.index, _StreamEnd(0.0, 0.0))
        readable_end = (
            stream_end.end
            if has_own
            else max((last.end for last in stream_ends.values()), default=0.0)
        )
        extent = Extent(header_end, readable_end, stream_end.last_at)
        # Sound may end early. The last picture is held, so its time must be known.
        if extent.is_whole and (stream.index in stream_ends or stream.type != "video"):
            break
    return extent


def _read_stream_ends(
    container: InputContainer, starts_at: float, begin: float
) -> dict[int, _StreamEnd]:
    """Read from ``begin`` on as far as possible; return the ends by stream index."""
    stream_ends: dict[int, _StreamEnd] = {}
    try:
        container.seek(int((starts_at + begin) * av.time_base))
    except av.error.FFmpegError:
        return stream_ends
    for packet in read_packets(container, list(container.streams)):
        if packet.pts is not None:
            at = float(packet.pts * packet.time_base) - starts_at
            previous = stream_ends.setdefault(packet.stream_index, _StreamEnd(at, at))
            # Not all formats store how long a picture is shown; it then counts as the one before.
            length = max(float((packet.duration or 0) * packet.time_base), at - previous.last_at)
            stream_ends[packet.stream_index] = _StreamEnd(
                max(previous.last_at, at), max(previous.end, at + length)
            )
    return stream_ends
