"""Where a file is entered: so early that a key frame comes in time, which a trial shows.

A seek lands where an index says that a key frame is. Without an index (MPEG-TS), or with a wrong
one, it lands anywhere, and the next key frame may come a minute later. So it is tried: packets are
read, and nothing is decoded, from further and further back until a key frame comes in time.
"""

from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.stream import Stream

from gpu_tasks.mediakit.decoding import delay_of, open_media, packets

_SEEKABLE = "mov matroska avi asf flv mpegts mxf wav w64 aiff caf flac mp3 ogg"
SEEKABLE = frozenset(_SEEKABLE.split())
"""Their times are known wherever they are entered. Others are read from their beginning."""
FIRST_STEP_SECONDS = 1
"""Each step back is twice as long as the one before: all of them read a file once, at most."""
INTERLEAVED_SECONDS = 10
"""So far apart may lie in a file what is shown and heard together."""
BEFORE_SECONDS = 10


def entry_into(path: Path, stream: int, by: float) -> int:
    """Return the second to seek in a file, from its first time stamp, as `entry` has it.

    ``by`` counts from the beginning of the file's timeline. 0 is not to seek.
    """
    if by < 1:
        return 0
    with open_media(path) as container:
        by -= float(delay_of(container))
        return entry(container, container.streams[stream], by) or 0


def entry(
    container: InputContainer, stream: Stream, by: float, *, after: float = 0.0
) -> int | None:
    """The whole second from which reading meets a key frame that is shown ``by`` a time.

    In seconds from the container's start, and later than ``after``; None where there is none. It
    moves the container's position.
    """
    first = int(after) + 1
    begin, until, step = int(by), by, FIRST_STEP_SECONDS
    while begin >= first:
        if _meets_key_frame(container, stream, begin, until, by):
            return begin
        last = begin == first
        begin, until, step = first - 1 if last else max(first, begin - step), begin, 2 * step
    return None


def enter(container: InputContainer, begin: int | None) -> None:
    """Seek to what `entry` has found, or the beginning; raises ``FFmpegError``."""
    start = container.start_time or 0
    if begin is not None:
        container.seek(start + begin * av.time_base)
        return
    try:
        # A seek to the first time stamp may land behind its packet.
        container.seek(start - BEFORE_SECONDS * av.time_base)
    except av.error.FFmpegError:
        container.seek(start)


def _meets_key_frame(
    container: InputContainer, stream: Stream, begin: float, until: float, by: float
) -> bool:
    """Whether the first key frame after a seek is in time; it is looked for ``until`` a time."""
    zero = (container.start_time or 0) / av.time_base
    try:
        container.seek(int((zero + begin) * av.time_base))
    except av.error.FFmpegError:
        return False
    for packet in packets(container, [*container.streams.video, *container.streams.audio]):
        ticks = packet.dts if packet.pts is None else packet.pts
        at = None if ticks is None else float(ticks * packet.time_base) - zero
        is_wanted = packet.stream_index == stream.index
        if is_wanted and packet.is_keyframe and at is not None:
            return at <= by
        # Of a stream that has ended nothing comes: the others tell how far it is.
        if at is not None and at > until + (0 if is_wanted else INTERLEAVED_SECONDS):
            return False
    return False
