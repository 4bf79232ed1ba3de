"""How much of a source is there: files break off, and their headers promise more."""

from dataclasses import dataclass

import av
import av.error
from av.container import InputContainer
from av.stream import Stream

from gpu_tasks.mediakit.decoding import TOLERANCE_SECONDS, header_seconds, packets, zero_of
from gpu_tasks.mediakit.film import LEAST_DECODED

TAIL_SECONDS = 5.0
"""What has been read of the end shows that a file is whole; what is before is not read then."""

OWN_LENGTHS = "mov"
"""Files that tell the length of each stream; in others, the longest of them is as long as all."""


@dataclass(frozen=True)
class Extent:
    """Where a stream ends, in seconds from the container's start."""

    promised: float | None
    """As the header says, where it does."""
    found: float
    """As far as the file can be read."""
    last_at: float
    """When its last picture, or the last of its sound, begins."""

    @property
    def is_whole(self) -> bool:
        """Whether no more is missing than players forgive."""
        if self.promised is None:
            return True
        forgiven = min(TOLERANCE_SECONDS, (1 - LEAST_DECODED) * self.promised)
        return self.promised - self.found <= forgiven

    def lacks(self, begin: float, end: float) -> bool:
        """Whether too little is there of what the header promises between two times."""
        if self.promised is None or self.is_whole:
            return False
        end = min(end, self.promised)
        return begin < end and self.found - begin < LEAST_DECODED * (end - begin)


@dataclass
class _Read:
    """What has been read of a stream: when its last packet begins and ends."""

    last_at: float
    end: float


def extent_of(container: InputContainer, stream: Stream) -> Extent:
    """The extent of a stream: of a whole file the end alone is read, of others all."""
    starts_at = zero_of(container)
    header = header_seconds(container)
    promised = None if header is None else float(header)
    has_own = bool(OWN_LENGTHS in container.format.name and stream.duration and stream.time_base)
    if promised is not None and has_own and stream.duration and stream.time_base:
        end = (stream.start_time or 0) + stream.duration
        # FFmpeg may count an empty edit twice.
        promised = min(promised, float(end * stream.time_base) - starts_at)
    if promised is None and stream.type != "video":
        return Extent(None, 0.0, 0.0)
    begins = [0.0] if promised is None else [max(0.0, promised - TAIL_SECONDS), 0.0]
    for begin in begins:
        read = _read(container, starts_at, begin)
        own = read.get(stream.index, _Read(0.0, 0.0))
        found = own.end if has_own else max((one.end for one in read.values()), default=0.0)
        extent = Extent(promised, found, own.last_at)
        # Sound may end early; of pictures the last is held, so it must be known.
        if extent.is_whole and (stream.index in read or stream.type != "video"):
            break
    return extent


def _read(container: InputContainer, starts_at: float, begin: float) -> dict[int, _Read]:
    """What can be read from ``begin`` on, by the indices of the streams."""
    found: dict[int, _Read] = {}
    try:
        container.seek(int((starts_at + begin) * av.time_base))
    except av.error.FFmpegError:
        return found
    for packet in packets(container, list(container.streams)):
        if packet.pts is not None:
            at = float(packet.pts * packet.time_base) - starts_at
            one = found.setdefault(packet.stream_index, _Read(at, at))
            # Not all formats tell how long a picture is shown: then as long as the one before.
            length = max(float((packet.duration or 0) * packet.time_base), at - one.last_at)
            found[packet.stream_index] = _Read(max(one.last_at, at), max(one.end, at + length))
    return found
