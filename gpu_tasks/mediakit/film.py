"""The pictures of films, in and out: upright, at a constant rate, in standard dynamic range.

Phones rotate their films by a note in the header, vary the frame rate and record in HDR; screen
recordings have odd sizes. This module hides all of it: engines see RGB frames of one even size at
one rate.
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
    find_header_seconds,
    get_display_size,
    has_alpha,
    is_too_large,
    open_media,
)
from gpu_tasks.mediakit.orientation import get_orientation
from gpu_tasks.runtime.errors import EngineError, ErrorCode

logger = logging.getLogger(__name__)

Frame = NDArray[np.uint8]
"""Height × width × 3, RGB."""

MAX_RATE = Fraction(60)
FALLBACK_RATE = Fraction(25)
VARYING_RATIO = Fraction(21, 20)
"""The ratio of nominal to average rate above which the rate varies. Less is rounding."""
MAX_SIDE = 1920
"""The default limit of a side; larger pictures are scaled down."""
MIN_SIDE = 16
MIN_DECODED_SHARE = 0.5
"""The share of the frames in the header below which a film counts as damaged."""
HDR_TRANSFERS = frozenset({16, 18})
"""PQ and HLG (ITU-T H.273, table 3)."""
DEINTERLACE_FILTER = "bwdif=mode=send_frame:deint=interlaced"
"""It outputs one frame for each interlaced frame, and leaves other frames unchanged."""
MIN_DEINTERLACE_SIDE = 16
"""The smallest side in pixels for which the filter works. No camera makes smaller films."""
ON_BLACK = "premultiply=inplace=1"
"""Transparent pixels become black. Without alpha they would show hidden colours."""
WHITE_NITS = 203
"""Diffuse white in HDR (ITU-R BT.2408), which becomes nearly white."""
PEAK_NITS = 1000
"""The brightness that becomes full white, as does everything brighter."""
KNEE = 0.75
"""The share of diffuse white, in linear light, above which brightness is compressed. White becomes
243 of 255; the values above it are for brighter light.
"""
TO_SDR = (
    # The approximate mode converts HLG channel by channel, which saturates colours too much.
    f"zscale=t=linear:npl={WHITE_NITS}:agamma=0,format=gbrpf32le,zscale=p=bt709,"
    # The brightest channel decides, so that colours keep their hue.
    f"tonemap=mobius:param={KNEE}:peak={PEAK_NITS / WHITE_NITS:.3f}:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv"
)
STATE_BT709 = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"
"""The last filter of a graph. Without it, the colour tags of frames would override options."""
QUALITY = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p")
SOUND = ("-c:a", "aac", "-b:a", "192k")

NO_PICTURES = "The file has no moving pictures."
UNDECODABLE = "The pictures of the film could not be decoded."


@dataclass(frozen=True)
class Film:
    """The properties of a file's frames, as they are read."""

    path: Path
    width: int
    height: int
    frame_rate: Fraction
    """The rate at which frames are read: the stream's own or, if that varies, its nominal rate, so
    that no part loses frames.
    """
    average_rate: Fraction
    """The stream's average rate, which is lower if the rate varies."""
    duration_seconds: float
    """Duration of the pictures according to the header; 0 if unknown."""
    longest_seconds: Fraction | None
    """Duration of the whole file according to the header, if known."""
    has_sound: bool
    is_hdr: bool
    stream: int = 0
    """The index of the pictures in the file."""
    is_rotated: bool = False
    """Players rotate the stored frames. Here they are read upright."""
    has_alpha: bool = False
    """The frames have transparency. Here they are read over black."""
    is_tiny: bool = False

    @property
    def frames_expected(self) -> int:
        """Return the approximate number of frames, at least 1."""
        return max(1, round(self.duration_seconds * self.frame_rate))

    def filters(self, *timing: str) -> str:
        """Return FFmpeg's filters from stored pictures to frames.

        FFmpeg rotates the pictures upright by itself. ``timing`` are filters that select frames.
        """
        size = f"scale={self.width}:{self.height}:flags=bicubic"
        output = [size, *([TO_SDR] if self.is_hdr else []), "setsar=1", "format=rgb24"]
        alpha = [ON_BLACK] if self.has_alpha else []
        return ",".join([*get_deinterlace_filter(self.is_tiny), *timing, *alpha, *output])

    def frames(self) -> Iterator[Frame]:
        """Yield all frames in order, each at ``n / frame_rate`` seconds from the container's start.

        Raises ``EngineError`` INPUT_INVALID if the film is longer than its header says, or too
        little can be decoded.
        """
        timing = f"fps={self.frame_rate}:start_time=0"
        if self.duration_seconds * self.frame_rate < 1:
            timing += ":eof_action=pass"  # otherwise a film shorter than a frame would have none
        filters = self.filters(timing)
        arguments = [*ffmpeg.source(self.path), "-map", f"0:{self.stream}", "-vf", filters]
        count = 0
        try:
            with ffmpeg.read_output([*arguments, "-f", "rawvideo", "pipe:1"]) as output:
                for frame in _read_raw_frames(output, self.width, self.height):
                    count += 1
                    if self._is_beyond(count):
                        raise EngineError(ErrorCode.INPUT_INVALID, TOO_LONG)
                    yield frame
        except ffmpeg.FFmpegFailedError as exc:
            if count < MIN_DECODED_SHARE * self.frames_expected:
                raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE) from exc
        if count == 0 or count < MIN_DECODED_SHARE * self.frames_expected:
            raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE)

    def _is_beyond(self, count: int) -> bool:
        if self.longest_seconds is None:
            return False
        return count > (self.longest_seconds + TOLERANCE_SECONDS) * self.frame_rate


def is_tiny(stream: VideoStream) -> bool:
    """Return whether the pictures are too small to be deinterlaced."""
    return min(stream.width, stream.height) < MIN_DEINTERLACE_SIDE


def get_deinterlace_filter(is_tiny: bool) -> list[str]:
    """Return the deinterlacing filter, unless the pictures are too small."""
    return [] if is_tiny else [DEINTERLACE_FILTER]


def _read_raw_frames(output: IO[bytes], width: int, height: int) -> Iterator[Frame]:
    size = width * height * 3
    while len(content := output.read(size)) == size:
        # Frames are copied, because engines paint into them.
        yield np.frombuffer(content, np.uint8).reshape(height, width, 3).copy()


def probe(path: Path, *, max_side: int = MAX_SIDE, frame_rate: Fraction | None = None) -> Film:
    """Return the properties of the film at ``path``; ``frame_rate`` replaces its own.

    Raises ``EngineError`` INPUT_INVALID if there are no moving pictures.
    """
    with open_media(path) as container:
        try:
            return _probe_container(container, path, max_side, frame_rate)
        except av.error.FFmpegError as exc:
            raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE) from exc


def _probe_container(
    container: InputContainer, path: Path, max_side: int, rate: Fraction | None
) -> Film:
    stream = _get_video_stream(container)
    frame = next(iter(container.decode(stream)), None)
    if frame is None:
        raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE)
    width, height = get_display_size(container, stream, frame)
    shrink = min(Fraction(1), Fraction(max_side) / max(width, height))
    return Film(
        path=path,
        width=_round_to_even(width * shrink),
        height=_round_to_even(height * shrink),
        frame_rate=rate or _get_nominal_rate(stream),
        average_rate=_get_average_rate(stream),
        duration_seconds=_get_duration_seconds(container, stream),
        longest_seconds=find_header_seconds(container),
        has_sound=find_audio_stream(container) is not None,
        is_hdr=int(stream.codec_context.color_trc or 0) in HDR_TRANSFERS,
        stream=stream.index,
        is_rotated=not get_orientation(frame).is_upright,
        has_alpha=has_alpha(stream),
        is_tiny=is_tiny(stream),
    )


def _get_video_stream(container: InputContainer) -> VideoStream:
    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams or streams[0].codec_context is None:
        raise EngineError(ErrorCode.INPUT_INVALID, NO_PICTURES)
    if is_too_large(container, streams[0]):
        raise EngineError(ErrorCode.INPUT_INVALID, "The pictures of the film are too large.")
    return streams[0]


def _get_nominal_rate(stream: VideoStream) -> Fraction:
    """Return the rate that all time stamps fit, unless it is the rate of a clock."""
    average, nominal = _get_average_rate(stream), stream.guessed_rate
    if nominal is None or not VARYING_RATIO * average < nominal <= MAX_RATE:
        return average
    return _limit_rate(nominal)


def _get_average_rate(stream: VideoStream) -> Fraction:
    return _limit_rate(stream.average_rate or stream.guessed_rate or FALLBACK_RATE)


def _limit_rate(rate: Fraction) -> Fraction:
    return min(MAX_RATE, max(Fraction(1), rate)).limit_denominator(1001)


def _get_duration_seconds(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float(find_header_seconds(container) or 0)


def _round_to_even(side: Fraction) -> int:
    # 4:2:0 halves both sides, so they must be even.
    return max(MIN_SIDE, int(side) // 2 * 2)


def _find_sound_index(path: Path) -> int | None:
    with open_media(path) as container:
        stream = find_audio_stream(container)
        return None if stream is None else stream.index


class FilmWriter:
    """A writer of an MP4 (H.264, AAC), frame by frame; leaving its context finishes the file.

    ``sound`` names a file whose sound is added, aligned at its beginning. If it cannot be decoded,
    the end of the context raises ``EngineError`` INPUT_INVALID.
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
        self._sound_index = None if sound is None else _find_sound_index(sound)
        arguments: list[str | Path] = ["-f", "rawvideo", "-pix_fmt", "rgb24"]
        arguments += ["-s", f"{width}x{height}", "-r", str(frame_rate), "-i", "pipe:0"]
        if sound is not None and self._sound_index is not None:
            arguments += [*ffmpeg.source(sound), "-map", "0:v:0"]
            arguments += ["-map", f"1:{self._sound_index}", *SOUND]
        # The output is tagged as it is encoded: standard range in Rec. 709.
        filters = f"scale=out_color_matrix=bt709:out_range=tv,{STATE_BT709}"
        arguments += ["-vf", filters, *QUALITY, "-movflags", "+faststart", "-f", "mp4", path]
        self._arguments = arguments
        self._context = ExitStack()

    def __enter__(self) -> Self:
        self._input = self._context.enter_context(ffmpeg.write_input(self._arguments))
        return self

    def write(self, frame: Frame) -> None:
        """Append one frame of the film's size."""
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise ValueError(f"a frame of {frame.shape} {frame.dtype}, not {self._shape} uint8")
        self._input.write(np.ascontiguousarray(frame).data)

    def write_all(
        self, frames: Iterable[Frame], expected: float, progress: Callable[[float], None]
    ) -> int:
        """Append frames, about ``expected`` of them; return how many there were."""
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
        """Return whether FFmpeg fails at the sound alone as well."""
        if self._sound is None or self._sound_index is None:
            return False
        arguments = [*ffmpeg.source(self._sound), "-map", f"0:{self._sound_index}"]
        return not ffmpeg.can_decode(arguments)
