"""The contract of rendering: a timeline and its sources in, a film of cacheable segments out."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from enum import StrEnum
from fractions import Fraction
from itertools import islice
from operator import itemgetter
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from gpu_tasks.render.contract.captions import CaptionsStyle
from gpu_tasks.runtime.contract import (
    Contract,
    GpuClass,
    ImageFamily,
    InputFile,
    OutputFile,
    Payload,
    PlainModel,
)

MIN_SIDE, MAX_SIDE = 16, 8192
MAX_RATE = 240
MAX_TRACKS = 50
MAX_CLIPS = 2000
MAX_CUES = 20_000
MAX_OUTPUT_MS = 4 * 3600 * 1000
"""Longer films cannot be rendered within the time limit, nor their segments be named in a call."""
MAX_FRAME_PIXELS = 8192 * 4352
"""The limit of the highest level of H.264 (6.2): players do not show more."""
MIN_GAIN_DB, MAX_GAIN_DB = -60.0, 24.0
"""The least gain is silence."""
MIN_LUFS, MAX_LUFS = -36.0, -8.0
MAX_CUE_LENGTH = 2000

Ms = Annotated[int, Field(ge=0)]
Span = tuple[int, int]
"""Begin and exclusive end, in milliseconds or frames of the film."""


class Format(StrEnum):
    """The format of the film."""

    MP4 = "mp4"
    WEBM = "webm"
    MOV = "mov"
    M4A = "m4a"


CORES = 8
PIXELS_PER_CORE_SECOND = {
    (Format.MP4, False): 32_000_000,
    (Format.MP4, True): 150_000_000,
    (Format.WEBM, False): 12_000_000,
    (Format.WEBM, True): 75_000_000,
    (Format.MOV, False): 10_000_000,
    (Format.MOV, True): 13_000_000,
}
"""Pixels that one core renders in a second of noisy footage of 1080 lines, reading it included, by
format and whether the output is a proxy. So an hour of 3840x2160 at 30 frames a second is possible
as MP4.
"""

CONTENT_TYPES = {
    Format.MP4: "video/mp4",
    Format.WEBM: "video/webm",
    Format.MOV: "video/quicktime",
    Format.M4A: "audio/mp4",
}


class Captions(StrEnum):
    """The place of the captions."""

    NONE = "none"
    BURNED = "burned"
    EMBEDDED = "embedded"


class MediaReference(PlainModel):
    """A file that clips play."""

    id: str = Field(description="Its object key: what is stored there never changes.")
    name: str = Field(description="As its owner knows it.")
    detached: tuple[Span, ...] = Field(
        default=(),
        description="When tracks that only sound play it, in order: clips that show it are silent.",
    )


class Clip(PlainModel):
    """A part of a source on the timeline; times are milliseconds."""

    source: int = Field(ge=0, description="Its place among the sources.")
    start_ms: Ms
    end_ms: Ms
    in_ms: Ms = Field(description="What of the source is at ``start_ms``.")
    speed_permille: int = Field(default=1000, ge=100, le=10_000)
    gain_db: float = Field(default=0.0, ge=MIN_GAIN_DB, le=MAX_GAIN_DB)
    fade_in_ms: Ms = 0
    fade_in_offset_ms: Ms = Field(default=0, description="How much of it lies before the clip.")
    fade_out_ms: Ms = 0
    fade_out_offset_ms: Ms = Field(default=0, description="How much of it lies behind the clip.")
    sounds: bool = Field(description="Whether its sound is to be heard.")

    def source_ms(self, at_ms: int) -> float:
        """Return the time of the source that is played at a time of the timeline."""
        return self.in_ms + (at_ms - self.start_ms) * self.speed_permille / 1000

    @model_validator(mode="after")
    def _check_times(self) -> "Clip":
        if self.end_ms <= self.start_ms:
            raise ValueError("a clip ends after it begins")
        for fade_ms, offset_ms in (
            (self.fade_in_ms, self.fade_in_offset_ms),
            (self.fade_out_ms, self.fade_out_offset_ms),
        ):
            if offset_ms and offset_ms >= fade_ms:
                raise ValueError("a part of a fade lies inside the clip")
        return self


class Track(PlainModel):
    """Clips in order of time; those that overlap are dissolved into each other."""

    shows: bool = Field(description="Whether its pictures are to be seen.")
    clips: tuple[Clip, ...] = Field(max_length=MAX_CLIPS)

    @model_validator(mode="after")
    def _check_order(self) -> "Track":
        starts = [clip.start_ms for clip in self.clips]
        if starts != sorted(starts):
            raise ValueError("clips stand in order of time")
        return self


class Cue(PlainModel):
    """Words that are shown together."""

    start_ms: Ms
    end_ms: Ms
    text: str = Field(max_length=MAX_CUE_LENGTH)


def subtract_spans(spans: Sequence[Span], first: int, end: int) -> Iterator[Span]:
    """Yield the parts of a span outside the other spans, which are ordered and disjoint."""
    for begin, span_end in islice(spans, bisect_right(spans, first, key=itemgetter(1)), None):
        if begin >= end:
            break
        if first < begin:
            yield first, begin
        first = span_end
    if first < end:
        yield first, end


class Timeline(PlainModel):
    """The tracks to be rendered, from the lowest to the highest, with their sources."""

    sources: tuple[MediaReference, ...]
    tracks: tuple[Track, ...] = Field(max_length=MAX_TRACKS)
    cues: tuple[Cue, ...] = Field(default=(), max_length=MAX_CUES)
    captions_style: CaptionsStyle | None = Field(
        default=None, exclude_if=lambda style: style is None, description="The default if null."
    )

    @property
    def duration_ms(self) -> int:
        """Return the end of the last clip."""
        return max((clip.end_ms for track in self.tracks for clip in track.clips), default=0)

    @property
    def is_audible(self) -> bool:
        """Return True if any clip sounds and is not muted."""
        return any(
            clip.gain_db > MIN_GAIN_DB and any(self.list_audible_spans(track, clip))
            for track in self.tracks
            for clip in track.clips
        )

    def list_audible_spans(self, track: Track, clip: Clip) -> Iterator[Span]:
        """Yield when a clip of the track sounds, in milliseconds."""
        if clip.sounds:
            detached = self.sources[clip.source].detached if track.shows else ()
            yield from subtract_spans(detached, clip.start_ms, clip.end_ms)

    @model_validator(mode="after")
    def _check_clips(self) -> "Timeline":
        clips = [clip for track in self.tracks for clip in track.clips]
        if not clips:
            raise ValueError("the timeline has no clips; add one")
        if any(clip.source >= len(self.sources) for clip in clips):
            raise ValueError("a clip names a source that is not in sources")
        if self.duration_ms > MAX_OUTPUT_MS:
            raise ValueError(
                f"the timeline is {self.duration_ms} ms long; the limit is {MAX_OUTPUT_MS} ms"
            )
        return self


class Output(PlainModel):
    """The properties of the film; its sides are even numbers of pixels."""

    format: Format
    width: int = Field(ge=MIN_SIDE, le=MAX_SIDE, multiple_of=2)
    height: int = Field(ge=MIN_SIDE, le=MAX_SIDE, multiple_of=2)
    frame_rate: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,6}(/[1-9]\d{0,6})?$")]
    captions: Captions = Captions.NONE
    loudness_lufs: float | None = Field(default=None, ge=MIN_LUFS, le=MAX_LUFS)
    proxy: bool = Field(default=False, description="Fast rather than good.")

    @property
    def rate(self) -> Fraction:
        """Return the frames per second."""
        return Fraction(self.frame_rate)

    @property
    def longest_ms(self) -> int:
        """Return the longest duration of such a film that can be rendered within the time limit."""
        if self.format is Format.M4A:
            return MAX_OUTPUT_MS
        pixels = (
            PIXELS_PER_CORE_SECOND[self.format, self.proxy] * CORES * CONTRACT.time_limit_seconds
        )
        return min(MAX_OUTPUT_MS, int(1000 * pixels / (self.width * self.height * self.rate)))

    @model_validator(mode="after")
    def _check_rate(self) -> "Output":
        if not 1 <= self.rate <= MAX_RATE:
            raise ValueError(f"frame rate {self.frame_rate} is not from 1 to {MAX_RATE}")
        return self


class RenderPayload(Payload):
    """``ready`` and ``made`` are segments, whose file names begin with their digests.

    ``sources`` stand as in the timeline; null for those that no segment to be made needs.
    """

    timeline: Timeline
    output: Output
    sources: tuple[InputFile | None, ...]
    ready: tuple[InputFile, ...] = ()
    made: tuple[OutputFile, ...] = ()
    result: OutputFile


class RenderResult(PlainModel):
    """The properties of the film and of its segments."""

    duration_ms: int = Field(ge=0)
    width: int | None
    height: int | None
    has_sound: bool
    stretches: int = Field(ge=0, description="Of which the film consists.")
    stretches_made: int = Field(ge=0, description="Those that were not there yet.")


CONTRACT = Contract(
    name="render",
    gpu=GpuClass.CPU,
    image=ImageFamily.FFMPEG,
    time_limit_seconds=3600,
    payload=RenderPayload,
    result=RenderResult,
    cpu=CORES,
    memory_mb=16_384,
)
