"""The pictures of films, in and out: upright, at a constant rate, in standard dynamic range.

Phones turn their films by a note in the header, let the rate vary and record in HDR; screens
record odd sizes. All of it ends here: engines see RGB frames of one even size at one rate.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from gpu_tasks.mediakit import audio, ffmpeg
from gpu_tasks.mediakit.decoding import (
    TOLERANCE_SECONDS,
    TOO_LONG,
    find_audio_stream,
    has_alpha,
    header_seconds,
    is_too_large,
    open_media,
    shown_size,
)
from gpu_tasks.mediakit.orientation import orientation_of
from gpu_tasks.runtime.errors import EngineError, ErrorCode

logger = logging.getLogger(__name__)

Frame = NDArray[np.uint8]
"""Height × width × 3, RGB."""

MAX_RATE = Fraction(60)
FALLBACK_RATE = Fraction(25)
VARYING = Fraction(21, 20)
"""How much the nominal rate exceeds the average from which on the rate varies: less is rounding."""
MAX_SIDE = 1920
"""By default larger pictures are read at a smaller size."""
MIN_SIDE = 16
LEAST_DECODED = 0.5
"""Of the frames that the header promises: below, the film counts as damaged."""
HDR_TRANSFERS = frozenset({16, 18})
"""PQ and HLG (ITU-T H.273, table 3)."""
DEINTERLACED = "bwdif=mode=send_frame:deint=interlaced"
"""One frame for each that is flagged as interlaced; others are left as they are."""
LEAST_DEINTERLACED = 16
"""Pixels of a side: with less, the filter fails, and no camera makes such films."""
ON_BLACK = "premultiply=inplace=1"
"""What is transparent becomes black: without its alpha it would show what was hidden."""
WHITE_NITS = 203
"""Diffuse white in HDR (ITU-R BT.2408): it becomes white, or nearly."""
PEAK_NITS = 1000
"""The light that becomes full white; what is brighter still is not told from it."""
KNEE = 0.75
"""The share of diffuse white, in linear light, up to which all stays as it is; above, light is
pressed together. White comes out at 243 of 255, and the rest is for what is brighter.
"""
TO_SDR = (
    # Approximate, HLG would be shown channel by channel, which makes colours too strong.
    f"zscale=t=linear:npl={WHITE_NITS}:agamma=0,format=gbrpf32le,zscale=p=bt709,"
    # By the brightest channel: colours keep their hue.
    f"tonemap=mobius:param={KNEE}:peak={PEAK_NITS / WHITE_NITS:.3f}:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv"
)
STATE_BT709 = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"
"""The filter that ends a graph: FFmpeg lets what frames say of their colours override options."""
QUALITY = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p")
SOUND = ("-c:a", "aac", "-b:a", "192k")

NO_PICTURES = "The file has no moving pictures."
UNDECODABLE = "The pictures of the film could not be decoded."


@dataclass(frozen=True)
class Film:
    """What the frames of a file are like, as they are read."""

    path: Path
    width: int
    height: int
    frame_rate: Fraction
    """At which they are read: the stream's own, and where that varies the one that it varies from,
    so that no part of it loses frames.
    """
    average_rate: Fraction
    """Lower where the rate varies."""
    duration_seconds: float
    """Of the pictures, as the header says; 0 where it does not."""
    longest_seconds: Fraction | None
    """What the header says of the whole file, where it does."""
    has_sound: bool
    is_hdr: bool
    stream: int = 0
    """The index of the pictures in the file."""
    is_turned: bool = False
    """Players turn the frames that are stored; here they are read upright."""
    has_alpha: bool = False
    """One may see through them: here they are read over black."""
    is_tiny: bool = False

    @property
    def frames_expected(self) -> int:
        """How many frames there will be, about; at least 1."""
        return max(1, round(self.duration_seconds * self.frame_rate))

    def filters(self, *timing: str) -> str:
        """FFmpeg's, from pictures as they are stored to frames; it turns them upright itself.

        ``timing`` are filters that choose among the frames.
        """
        size = f"scale={self.width}:{self.height}:flags=bicubic"
        shown = [size, *([TO_SDR] if self.is_hdr else []), "setsar=1", "format=rgb24"]
        hidden = [ON_BLACK] if self.has_alpha else []
        return ",".join([*deinterlaced(self.is_tiny), *timing, *hidden, *shown])

    def frames(self) -> Iterator[Frame]:
        """All frames in order, each at ``n / frame_rate`` seconds from the container's start.

        Raises ``EngineError`` INPUT_INVALID where they go on beyond what the header says, or too
        little can be decoded.
        """
        timing = f"fps={self.frame_rate}:start_time=0"
        if self.duration_seconds * self.frame_rate < 1:
            timing += ":eof_action=pass"  # else a film shorter than a frame would have none
        filters = self.filters(timing)
        arguments = [*ffmpeg.source(self.path), "-map", f"0:{self.stream}", "-vf", filters]
        count = 0
        try:
            with ffmpeg.reading([*arguments, "-f", "rawvideo", "pipe:1"]) as output:
                for frame in _raw_frames(output, self.width, self.height):
                    count += 1
                    if self._is_beyond(count):
                        raise EngineError(ErrorCode.INPUT_INVALID, TOO_LONG)
                    yield frame
        except ffmpeg.FFmpegFailedError as exc:
            if count < LEAST_DECODED * self.frames_expected:
                raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE) from exc
        if count == 0 or count < LEAST_DECODED * self.frames_expected:
            raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE)

    def _is_beyond(self, count: int) -> bool:
        if self.longest_seconds is None:
            return False
        return count > (self.longest_seconds + TOLERANCE_SECONDS) * self.frame_rate


def is_tiny(stream: VideoStream) -> bool:
    """Whether the pictures are too small to be deinterlaced."""
    return min(stream.width, stream.height) < LEAST_DEINTERLACED


def deinterlaced(is_tiny: bool) -> list[str]:
    """The filter, where it can be."""
    return [] if is_tiny else [DEINTERLACED]


def _raw_frames(output: IO[bytes], width: int, height: int) -> Iterator[Frame]:
    size = width * height * 3
    while len(content := output.read(size)) == size:
        # A copy, for engines paint into their frames.
        yield np.frombuffer(content, np.uint8).reshape(height, width, 3).copy()


def probe(path: Path, *, max_side: int = MAX_SIDE, frame_rate: Fraction | None = None) -> Film:
    """What the film at ``path`` is like; a given ``frame_rate`` takes the place of its own.

    Raises ``EngineError`` INPUT_INVALID for what has no moving pictures.
    """
    with open_media(path) as container:
        try:
            return _probe(container, path, max_side, frame_rate)
        except av.error.FFmpegError as exc:
            raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE) from exc


def _probe(container: InputContainer, path: Path, max_side: int, rate: Fraction | None) -> Film:
    stream = _pictures(container)
    frame = next(iter(container.decode(stream)), None)
    if frame is None:
        raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE)
    width, height = shown_size(container, stream, frame)
    shrink = min(Fraction(1), Fraction(max_side) / max(width, height))
    return Film(
        path=path,
        width=_even(width * shrink),
        height=_even(height * shrink),
        frame_rate=rate or _nominal_rate(stream),
        average_rate=_average_rate(stream),
        duration_seconds=_duration_seconds(container, stream),
        longest_seconds=header_seconds(container),
        has_sound=find_audio_stream(container) is not None,
        is_hdr=int(stream.codec_context.color_trc or 0) in HDR_TRANSFERS,
        stream=stream.index,
        is_turned=not orientation_of(frame).is_upright,
        has_alpha=has_alpha(stream),
        is_tiny=is_tiny(stream),
    )


def _pictures(container: InputContainer) -> VideoStream:
    cover = av.stream.Disposition.attached_pic
    streams = [one for one in container.streams.video if not one.disposition & cover]
    if not streams or streams[0].codec_context is None:
        raise EngineError(ErrorCode.INPUT_INVALID, NO_PICTURES)
    if is_too_large(container, streams[0]):
        raise EngineError(ErrorCode.INPUT_INVALID, "The pictures of the film are too large.")
    return streams[0]


def _nominal_rate(stream: VideoStream) -> Fraction:
    """The rate that all times fit, unless that is a clock's rather than a film's."""
    average, nominal = _average_rate(stream), stream.guessed_rate
    if nominal is None or not VARYING * average < nominal <= MAX_RATE:
        return average
    return _sane(nominal)


def _average_rate(stream: VideoStream) -> Fraction:
    return _sane(stream.average_rate or stream.guessed_rate or FALLBACK_RATE)


def _sane(rate: Fraction) -> Fraction:
    return min(MAX_RATE, max(Fraction(1), rate)).limit_denominator(1001)


def _duration_seconds(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float(header_seconds(container) or 0)


def _even(side: Fraction) -> int:
    # 4:2:0 halves both sides.
    return max(MIN_SIDE, int(side) // 2 * 2)


def _sound_index(path: Path) -> int | None:
    with open_media(path) as container:
        stream = find_audio_stream(container)
        return None if stream is None else stream.index


class FilmWriter:
    """Writes an MP4 (H.264, AAC) frame by frame: a context, whose good end finishes the file.

    ``sound`` names a file whose sound goes with the pictures, with its own beginning. Where that
    cannot be decoded, the end raises ``EngineError`` INPUT_INVALID.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        frame_rate: Fraction,
        sound: Path | None = None,
    ) -> None:
        self._shape = (height, width, 3)
        self._sound = sound
        self._sound_index = None if sound is None else _sound_index(sound)
        arguments: list[str | Path] = ["-f", "rawvideo", "-pix_fmt", "rgb24"]
        arguments += ["-s", f"{width}x{height}", "-r", str(frame_rate), "-i", "pipe:0"]
        if sound is not None and self._sound_index is not None:
            arguments += [*ffmpeg.source(sound), "-map", "0:v:0"]
            arguments += ["-map", f"1:{self._sound_index}", *SOUND]
        # Named for what it is: standard range, as Rec. 709 has it.
        filters = f"scale=out_color_matrix=bt709:out_range=tv,{STATE_BT709}"
        arguments += ["-vf", filters, *QUALITY, "-movflags", "+faststart", "-f", "mp4", path]
        self._arguments = arguments
        self._context = ExitStack()

    def __enter__(self) -> Self:
        self._input = self._context.enter_context(ffmpeg.writing(self._arguments))
        return self

    def write(self, frame: Frame) -> None:
        """Append one frame of the film's size."""
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise ValueError(f"a frame of {frame.shape} {frame.dtype}, not {self._shape} uint8")
        self._input.write(np.ascontiguousarray(frame).data)

    def write_all(
        self, frames: Iterable[Frame], expected: float, progress: Callable[[float], None]
    ) -> int:
        """Append frames, of which about so many are expected; returns how many there were."""
        count = 0
        for count, frame in enumerate(frames, start=1):
            self.write(frame)
            progress(min(1.0, count / expected))
        return count

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._context.__exit__(kind, error, traceback)
        except ffmpeg.FFmpegFailedError as exc:
            if not self._is_sound_to_blame():
                raise
            logger.warning("the sound could not be decoded: %s", exc)
            raise EngineError(ErrorCode.INPUT_INVALID, audio.UNDECODABLE) from exc

    def _is_sound_to_blame(self) -> bool:
        """Whether FFmpeg fails at the sound alone as well."""
        if self._sound is None or self._sound_index is None:
            return False
        alone = [*ffmpeg.source(self._sound), "-map", f"0:{self._sound_index}"]
        return not ffmpeg.decodes(alone)
