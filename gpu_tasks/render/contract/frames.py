"""Clips in frames of the film: where each begins and ends, and what it shows from there on.

All edges are rounded to the nearest frame, each for itself; from its first frame on a clip plays
from its in point. So what it shows does not depend on where on the timeline it lies.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from gpu_tasks.render.contract import Clip, MediaReference, Span, Track, outside

SLACK_SECONDS = Fraction(2, 1000)
"""Of the film: times come in whole milliseconds, so a picture due so soon is shown already."""
JOINT_MS = 2
"""Where the parts of a divided clip meet, their times are rounded."""


Fade = tuple[int, int]
"""Its first frame, which may come before the clip, and how many it lasts, maybe beyond it."""


@dataclass(frozen=True)
class FrameClip:
    """A clip in frames; a dissolve is a ``lead`` into it or a ``tail`` into the next."""

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
    before: int = 0
    """Frames of the clip that come before ``first``, where this is a part of it."""
    behind: int = 0

    @property
    def length(self) -> int:
        """Frames."""
        return self.end - self.first

    def at_frame(self, frame: int, rate: Fraction) -> Fraction:
        """Seconds of the source at a frame of the film."""
        return self.at + (frame - self.first) / rate * self.speed


Box = tuple[int, int, int, int]
"""Left, top, width, height."""


def box_of(width: Fraction, height: Fraction, canvas: tuple[int, int]) -> Box:
    """Where pictures of these sides are on the screen: whole, in the middle, all sides even."""
    scale = min(canvas[0] / width, canvas[1] / height)
    # A picture that fills the screen but for a line is let fill it.
    wide, high = (
        side if abs(side - scaled) < 2 else max(2, int(scaled) // 2 * 2)
        for side, scaled in ((canvas[0], width * scale), (canvas[1], height * scale))
    )
    return (canvas[0] - wide) // 4 * 2, (canvas[1] - high) // 4 * 2, wide, high


def frame_of(at_ms: int, rate: Fraction) -> int:
    """The nearest frame; a half is the later one."""
    return math.floor(at_ms * rate / 1000 + Fraction(1, 2))


def frame_clips(track: Track, rate: Fraction) -> list[FrameClip]:
    """The clips of a track that last for a frame at least, in order."""
    found = [clip for clip in _joined(track, rate) if clip.length]
    for index, (before, after) in enumerate(pairwise(found)):
        overlap = max(0, min(before.end, after.end) - after.first)
        found[index] = replace(found[index], tail=overlap)
        found[index + 1] = replace(after, lead=overlap)
    return found


def heard_clips(
    track: Track, clips: Sequence[FrameClip], sources: Sequence[MediaReference], rate: Fraction
) -> Iterator[FrameClip]:
    """The parts of a track's clips that sound: what is detached sounds elsewhere then."""
    detached = [list(_frames(source.detached, rate)) for source in sources]
    for clip in clips:
        if clip.sounds:
            elsewhere = detached[clip.source] if track.shows else ()
            for first, end in outside(elsewhere, clip.first, clip.end):
                yield replace(
                    clip,
                    first=first,
                    end=end,
                    at=clip.at_frame(first, rate),
                    before=first - clip.first,
                    behind=clip.end - end,
                )


def _frames(spans: Iterable[Span], rate: Fraction) -> Iterator[Span]:
    """Those that last for a frame at least."""
    for span in spans:
        first, end = (frame_of(at_ms, rate) for at_ms in span)
        if first < end:
            yield first, end


def _joined(track: Track, rate: Fraction) -> Iterator[FrameClip]:
    """Parts that go on where the one before ends play on as one clip, or at least in step.

    So they do behind one that is too short for a frame.
    """
    last: FrameClip | None = None
    last_clip: Clip | None = None
    for clip in track.clips:
        now = _place(clip, rate)
        if last is not None and last_clip is not None and _goes_on(last_clip, clip):
            now = replace(now, at=last.at_frame(now.first, rate))
            if _alike(last, now):
                now = replace(last, end=now.end, fade_out=now.fade_out)
                last = None
        if last is not None:
            yield last
        last, last_clip = now, clip
    if last is not None:
        yield last


def _place(clip: Clip, rate: Fraction) -> FrameClip:
    first, end = frame_of(clip.start_ms, rate), frame_of(clip.end_ms, rate)
    comes, goes = frame_of(clip.fade_in_ms, rate), frame_of(clip.fade_out_ms, rate)
    return FrameClip(
        source=clip.source,
        first=first,
        end=end,
        at=Fraction(clip.in_ms, 1000),
        speed=Fraction(clip.speed_permille, 1000),
        gain_db=clip.gain_db,
        fade_in=(frame_of(clip.start_ms - clip.fade_in_offset_ms, rate), comes) if comes else None,
        fade_out=(frame_of(clip.end_ms + clip.fade_out_offset_ms, rate) - goes, goes)
        if goes
        else None,
        sounds=clip.sounds,
    )


def _goes_on(before: Clip, after: Clip) -> bool:
    played_ms = Fraction((before.end_ms - before.start_ms) * before.speed_permille, 1000)
    return (
        (before.source, before.speed_permille) == (after.source, after.speed_permille)
        and 0 <= after.start_ms - before.end_ms <= JOINT_MS
        and abs(before.in_ms + played_ms - after.in_ms)
        <= JOINT_MS * max(Fraction(1), _speed(before))
    )


def _speed(clip: Clip) -> Fraction:
    return Fraction(clip.speed_permille, 1000)


def _alike(before: FrameClip, after: FrameClip) -> bool:
    return (
        (before.gain_db, before.sounds) == (after.gain_db, after.sounds)
        and before.end == after.first
        and after.fade_in == (before.fade_in if _reaches(before.fade_in, after) else None)
        and before.fade_out == (after.fade_out if _reaches(after.fade_out, before) else None)
    )


def _reaches(fade: Fade | None, clip: FrameClip) -> bool:
    """Whether it has a frame in common with the clip."""
    return fade is not None and fade[0] < clip.end and sum(fade) > clip.first
