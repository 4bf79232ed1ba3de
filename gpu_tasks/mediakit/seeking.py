"""The choice of the second to seek to, so that a key frame is read in time.

A seek lands where an index says that a key frame is. Without an index (MPEG-TS), or with a wrong
one, it lands anywhere, and the next key frame may be a minute later. So seeks are tried from
further and further back, reading packets without decoding them, until a key frame comes in time.
"""

from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.stream import Stream

from gpu_tasks.mediakit.decoding import get_delay, open_media, read_packets

_SEEKABLE = "mov matroska avi asf flv mpegts mxf wav w64 aiff caf flac mp3 ogg"
SEEKABLE = frozenset(_SEEKABLE.split())
"""Formats whose times are known after any seek. Others are read from their beginning."""
FIRST_STEP_SECONDS = 1
"""The first step back. Each step is twice as long as the previous one, so that all of them together
read a file at most once."""
INTERLEAVED_SECONDS = 10
"""How far apart pictures and sound of the same time may lie in a file."""
BEFORE_SECONDS = 10


def find_entry_of_file(path: Path, stream: int, by: float) -> int:
    """Return the second to seek to in a file, from its first time stamp, as `find_entry` does.

    ``by`` counts from the beginning of the file's timeline. 0 means not to seek.
    """
    if by < 1:
        return 0
    with open_media(path) as container:
        by -= float(get_delay(container))
        return find_entry(container, container.streams[stream], by) or 0


def find_entry(
    container: InputContainer, stream: Stream, by: float, *, after: float = 0.0
) -> int | None:
    """Return the whole second from which reading meets a key frame that is shown ``by`` a time.

    It counts from the container's start and is later than ``after``; None if there is none. The
    container's position changes.
    """
    earliest = int(after) + 1
    begin, until, step = int(by), by, FIRST_STEP_SECONDS
    while begin >= earliest:
        if _meets_key_frame(container, stream, begin, until, by):
            return begin
        is_earliest = begin == earliest
        until = begin
        begin = earliest - 1 if is_earliest else max(earliest, begin - step)
        step *= 2
    return None


def seek_to_entry(container: InputContainer, begin: int | None) -> None:
    """Seek to the result of `find_entry`, or to the beginning; raises ``FFmpegError``."""
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
    """Return whether the first key frame after a seek is in time.

    Packets are read ``until`` a time.
    """
    zero = (container.start_time or 0) / av.time_base
    try:
        container.seek(int((zero + begin) * av.time_base))
    except av.error.FFmpegError:
        return False
    for packet in read_packets(container, [*container.streams.video, *container.streams.audio]):
        ticks = packet.dts if packet.pts is None else packet.pts
        seconds = None if ticks is None else float(ticks * packet.time_base) - zero
        is_wanted = packet.stream_index == stream.index
        if is_wanted and packet.is_keyframe and seconds is not None:
            return seconds <= by
        # A stream that has ended has no more packets; those of the others show the time.
        if seconds is not None and seconds > until + (0 if is_wanted else INTERLEAVED_SECONDS):
            return False
    return False
