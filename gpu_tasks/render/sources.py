"""Read the properties of a source that rendering depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from gpu_tasks.mediakit.decoding import (
    STILL,
    find_audio_stream,
    get_display_size,
    has_alpha,
    is_bt709,
    is_too_large,
    open_media,
)
from gpu_tasks.mediakit.film import HDR_TRANSFERS, is_tiny
from gpu_tasks.mediakit.seeking import SEEKABLE, find_entry_of_file
from gpu_tasks.render.contract import Clip, Span
from gpu_tasks.render.extents import Extent, measure_extent
from gpu_tasks.runtime.errors import EngineError, ErrorCode


@dataclass(frozen=True)
class Pictures:
    """The properties of a source's pictures, upright and with square pixels."""

    stream: int
    last_at: float | None
    """When the last picture begins, in seconds from the container's start; None if unknown."""
    width: Fraction
    height: Fraction
    is_still: bool
    has_alpha: bool
    is_hdr: bool
    is_bt709: bool
    is_tiny: bool = False


@dataclass(frozen=True)
class SourceInfo:
    """A file with its pictures and the index of its sound, if it has them."""

    path: Path
    starts_at: float
    """The first time stamp, in seconds."""
    is_seekable: bool
    pictures: Pictures | None
    sound: int | None
    is_mono: bool
    extents: Mapping[int, Extent] = field(default_factory=dict)
    """By index of the streams that are used."""
    _entries: dict[tuple[int, Fraction], int] = field(default_factory=dict, compare=False)

    def entry(self, stream: int, by: Fraction) -> int:
        """Return the second at which to enter the file so that a stream is there ``by`` a time."""
        if not self.is_seekable:
            return 0
        if (stream, by) not in self._entries:
            self._entries[stream, by] = find_entry_of_file(self.path, stream, float(by))
        return self._entries[stream, by]

    def lacks(self, clip: Clip, *, shows: bool, heard: Sequence[Span]) -> bool:
        """Return True if too much is missing of what a clip shows, or plays during ``heard``."""
        spans: dict[int, Span] = {}
        if heard and self.sound is not None:
            spans[self.sound] = heard[0][0], heard[-1][1]
        if shows and self.pictures:
            spans[self.pictures.stream] = clip.start_ms, clip.end_ms
        return any(
            stream in self.extents
            and self.extents[stream].lacks(*(clip.source_ms(at) / 1000 for at in span))
            for stream, span in spans.items()
        )


def probe(path: Path, name: str) -> SourceInfo:
    """Read a file's properties.

    Raise ``EngineError`` INPUT_INVALID with the source's ``name`` if it cannot be decoded.
    """
    try:
        with open_media(path) as container:
            formats = set(container.format.name.split(","))
            sound = find_audio_stream(container)
            pictures = _probe_pictures(container, is_still=bool(formats & STILL))
            stream_indices = [sound.index] if sound else []
            stream_indices += [pictures.stream] if pictures else []
            extents = {
                index: measure_extent(container, container.streams[index])
                for index in stream_indices
                if formats & SEEKABLE
            }
            if pictures and pictures.stream in extents:
                pictures = replace(pictures, last_at=extents[pictures.stream].last_at)
            return SourceInfo(
                path=path,
                starts_at=(container.start_time or 0) / av.time_base,
                is_seekable=bool(formats & SEEKABLE),
                pictures=pictures,
                sound=None if sound is None else sound.index,
                is_mono=sound is not None and sound.channels == 1,
                extents=extents,
            )
    except EngineError as exc:
        if exc.code is ErrorCode.INPUT_INVALID:
            raise build_unreadable_error(name) from exc
        raise
    except (av.error.FFmpegError, ValueError) as exc:
        raise build_unreadable_error(name) from exc


def build_unreadable_error(name: str) -> EngineError:
    """Return the error for a source that cannot be decoded."""
    return EngineError(ErrorCode.INPUT_INVALID, f"The media file {name!r} cannot be decoded.")


def build_incomplete_error(name: str) -> EngineError:
    """Return the error for a source that lacks most of what a clip plays of it."""
    message = f"The media file {name!r} breaks off: most of what a clip plays of it is missing."
    return EngineError(ErrorCode.INPUT_INVALID, message)


def _probe_pictures(container: InputContainer, *, is_still: bool) -> Pictures | None:
    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams or streams[0].codec_context is None:
        return None
    stream: VideoStream = streams[0]
    if is_too_large(container, stream):
        raise ValueError("too large")
    frame = next(iter(container.decode(stream)))
    width, height = get_display_size(container, stream, frame)
    return Pictures(
        stream=stream.index,
        last_at=None,
        width=width,
        height=height,
        is_still=is_still,
        has_alpha=has_alpha(stream),
        is_hdr=int(stream.codec_context.color_trc or 0) in HDR_TRANSFERS,
        is_bt709=is_bt709(frame),
        is_tiny=is_tiny(stream),
    )
