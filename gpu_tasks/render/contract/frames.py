"""Convert clips to frames of the film: where each begins and ends, and what it shows.

Every edge is rounded to the nearest frame on its own; from its first frame on, a clip plays from
its in point. So what a clip shows does not depend on its position on the timeline.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from gpu_tasks.render.contract import Clip, MediaReference, Span, Track, subtract_spans

SLACK_SECONDS = Fraction(2, 1000)
"""Times come in whole milliseconds of the film, so a picture due so soon is shown already."""
JOINT_MS = 2
"""The largest gap between the parts of a divided clip, whose times are rounded."""


Fade = tuple[int, int]
"""Its first frame, which may be before the clip, and its length, which may exceed the clip."""


@dataclass(frozen=True)
class FrameClip:
    """A clip in frames; a dissolve is a ``lead`` into it or a ``tail`` into the next clip."""

    source: int
    first: int
    end: int
    at: Fraction
    """Seconds of the source at the first frame."""
    speed: Fraction
    gain_db: float
    fade_in: Fade | None
    fade_out: Fade | None
    sounds: bool
    lead: int = 0
    tail: int = 0
    frames_before: int = 0
    """Frames of the clip before ``first``, if this is a part of the clip."""
    frames_after: int = 0

    @property
    def length(self) -> int:
        """Return the number of frames."""
        return self.end - self.first

    def at_frame(self, frame: int, rate: Fraction) -> Fraction:
        """Return the second of the source at a frame of the film."""
        return self.at + (frame - self.first) / rate * self.speed


Box = tuple[int, int, int, int]
"""Left, top, width, height."""


def fit_box(width: Fraction, height: Fraction, canvas: tuple[int, int]) -> Box:
    """Return the box of pictures of this size: fitted into the canvas, centred, all sides even."""
    scale = min(canvas[0] / width, canvas[1] / height)
    # A picture that misses the canvas by less than two pixels fills it.
    box_width, box_height = (
        side if abs(side - scaled_side) < 2 else max(2, int(scaled_side) // 2 * 2)
        for side, scaled_side in ((canvas[0], width * scale), (canvas[1], height * scale))
    )
    return (
        (canvas[0] - box_width) // 4 * 2,
        (canvas[1] - box_height) // 4 * 2,
        box_width,
        box_height,
    )


def get_frame(at_ms: int, rate: Fraction) -> int:
    """Return the nearest frame; halves are rounded up."""
    return math.floor(at_ms * rate / 1000 + Fraction(1, 2))


def list_frame_clips(track: Track, rate: Fraction) -> list[FrameClip]:
    """Return the clips of a track that last for at least one frame, in order."""
    clips = [clip for clip in _join_divided(track, rate) if clip.length]
    for index, (before, after) in enumerate(pairwise(clips)):
        overlap = max(0, min(before.end, after.end) - after.first)
        clips[index] = replace(clips[index], tail=overlap)
        clips[index + 1] = replace(after, lead=overlap)
    return clips


def list_audible_clips(
    track: Track, clips: Sequence[FrameClip], sources: Sequence[MediaReference], rate: Fraction
) -> Iterator[FrameClip]:
    """Yield the audible parts of a track's clips, without spans that are detached."""
    detached_spans = [list(_convert_spans(source.detached, rate)) for source in sources]
    for clip in clips:
        if clip.sounds:
            silent_spans = detached_spans[clip.source] if track.shows else ()
            for first, end in subtract_spans(silent_spans, clip.first, clip.end):
                yield replace(
                    clip,
                    first=first,
                    end=end,
                    at=clip.at_frame(first, rate),
                    frames_before=first - clip.first,
                    frames_after=clip.end - end,
                )


def _convert_spans(spans: Iterable[Span], rate: Fraction) -> Iterator[Span]:
    """Yield the spans that last for at least one frame, in frames."""
    for span in spans:
        first, end = (get_frame(at_ms, rate) for at_ms in span)
        if first < end:
            yield first, end


def _join_divided(track: Track, rate: Fraction) -> Iterator[FrameClip]:
    """Yield clips in frames, merging the parts of a divided clip.

    Parts that cannot be merged, because their gain or fades differ, are played in step, also if a
    part too short for a frame is between them.
    """
    previous: FrameClip | None = None
    previous_clip: Clip | None = None
    for clip in track.clips:
        current = _convert_clip(clip, rate)
        if (
            previous is not None
            and previous_clip is not None
            and _is_continuation(previous_clip, clip)
        ):
            current = replace(current, at=previous.at_frame(current.first, rate))
            if _can_merge(previous, current):
                current = replace(previous, end=current.end, fade_out=current.fade_out)
                previous = None
        if previous is not None:
            yield previous
        previous, previous_clip = current, clip
    if previous is not None:
        yield previous


def _convert_clip(clip: Clip, rate: Fraction) -> FrameClip:
    first, end = get_frame(clip.start_ms, rate), get_frame(clip.end_ms, rate)
    fade_in_frames, fade_out_frames = (
        get_frame(clip.fade_in_ms, rate),
        get_frame(clip.fade_out_ms, rate),
    )
    return FrameClip(
        source=clip.source,
        first=first,
        end=end,
        at=Fraction(clip.in_ms, 1000),
        speed=Fraction(clip.speed_permille, 1000),
        gain_db=clip.gain_db,
        fade_in=(get_frame(clip.start_ms - clip.fade_in_offset_ms, rate), fade_in_frames)
        if fade_in_frames
        else None,
        fade_out=(
            get_frame(clip.end_ms + clip.fade_out_offset_ms, rate) - fade_out_frames,
            fade_out_frames,
        )
        if fade_out_frames
        else None,
        sounds=clip.sounds,
    )


def _is_continuation(before: Clip, after: Clip) -> bool:
    source_ms = Fraction((before.end_ms - before.start_ms) * before.speed_permille, 1000)
    return (
        (before.source, before.speed_permille) == (after.source, after.speed_permille)
        and 0 <= after.start_ms - before.end_ms <= JOINT_MS
        and abs(before.in_ms + source_ms - after.in_ms)
        <= JOINT_MS * max(Fraction(1), _get_speed(before))
    )


def _get_speed(clip: Clip) -> Fraction:
    return Fraction(clip.speed_permille, 1000)


def _can_merge(before: FrameClip, after: FrameClip) -> bool:
    return (
        (before.gain_db, before.sounds) == (after.gain_db, after.sounds)
        and before.end == after.first
        and after.fade_in == (before.fade_in if _overlaps(before.fade_in, after) else None)
        and before.fade_out == (after.fade_out if _overlaps(after.fade_out, before) else None)
    )


def _overlaps(fade: Fade | None, clip: FrameClip) -> bool:
    """Return True if the fade has a frame in common with the clip."""
    return fade is not None and fade[0] < clip.end and sum(fade) > clip.first
