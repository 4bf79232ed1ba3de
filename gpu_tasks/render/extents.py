"""How much of a source is there: files break off, and their headers promise more."""

from collections.abc import Sequence
from dataclasses import dataclass

import av
import av.error
from av.container import InputContainer
from av.stream import Stream

from gpu_tasks.decoding import TOLERANCE_SECONDS, header_seconds, packets
from gpu_tasks.film import LEAST_DECODED

TAIL_SECONDS = 5.0
"""What has been read of the end shows that a file is whole; what is before is not read then."""


@dataclass(frozen=True)
class Extent:
    """Where a stream ends, in seconds from the container's start."""

    promised: float
    """As the header says."""
    found: float
    """As far as it can be read."""

    @property
    def is_whole(self) -> bool:
        """Whether no more is missing than players forgive."""
        forgiven = min(TOLERANCE_SECONDS, (1 - LEAST_DECODED) * self.promised)
        return self.promised - self.found <= forgiven

    def lacks(self, begin: float, end: float) -> bool:
        """Whether too little is there of what the header promises between two times."""
        end = min(end, self.promised)
        return begin < end and self.found - begin < LEAST_DECODED * (end - begin)


def extent_of(container: InputContainer, stream: Stream) -> Extent | None:
    """The extent of a stream that breaks off early; None where it is whole, or promises nothing."""
    if header_seconds(container) is None:
        return None
    starts_at = (container.start_time or 0) / av.time_base
    # Where streams do not tell by themselves, the longest of them is as long as the file.
    streams: Sequence[Stream] = list(container.streams)
    promised = (container.duration or 0) / av.time_base
    if stream.duration and stream.time_base:
        streams = [stream]
        end = (stream.start_time or 0) + stream.duration
        promised = float(end * stream.time_base) - starts_at
    for begin in (max(0.0, promised - TAIL_SECONDS), 0.0):
        found = Extent(promised, _furthest(container, streams, starts_at, begin))
        if found.is_whole:
            return None
    return found


def _furthest(
    container: InputContainer, streams: Sequence[Stream], starts_at: float, begin: float
) -> float:
    """Where the last packet ends that can be read from ``begin`` on."""
    try:
        container.seek(int((starts_at + begin) * av.time_base))
    except av.error.FFmpegError:
        return 0.0
    ends = (
        float((packet.pts + (packet.duration or 0)) * packet.time_base) - starts_at
        for packet in packets(container, streams)
        if packet.pts is not None
    )
    return max(ends, default=0.0)
