"""The segments that a film is made of: what each plays, and its name.

A segment's name is a hash of all that decides its content, and a segment is made of nothing else:
so what has the same name is the same. Everything in it is counted from its own first frame.
"""

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise, takewhile
from typing import Any
from zlib import crc32

from gpu_tasks.render.contract import (
    Captions,
    Cue,
    Format,
    MediaReference,
    Output,
    Timeline,
    Track,
)
from gpu_tasks.render.contract.captions import DEFAULT, CaptionsStyle
from gpu_tasks.render.contract.frames import FrameClip, frame_clips, frame_of, heard_clips

VERSION = 6
"""Raise it when the same segment is made differently: none made before is used then."""
SAMPLE_RATE = 48_000


@dataclass(frozen=True)
class Bounds:
    """How long a segment may be, and how many clips it may open at once."""

    least_seconds: int
    most_seconds: int
    most_pieces: int


PICTURES = Bounds(least_seconds=4, most_seconds=16, most_pieces=24)
SOUND = Bounds(least_seconds=15, most_seconds=60, most_pieces=40)


@dataclass(frozen=True)
class Ramp:
    """A clip comes in or goes out; it may begin before the segment and end behind it."""

    first: int
    length: int
    rising: bool
    dissolve: bool

    @property
    def end(self) -> int:
        """The frame after its last."""
        return self.first + self.length

    def opacity_at(self, frame: int) -> float:
        """How much of the clip is seen at a frame, of 1."""
        done = min(1.0, max(0.0, (frame - self.first) / self.length))
        return done if self.rising else 1 - done


@dataclass(frozen=True)
class Piece:
    """What a segment plays of a clip, from frame ``first`` to before ``end``."""

    source: int
    first: int
    end: int
    at: Fraction
    """Seconds of the source at ``first``."""
    speed: Fraction
    gain_db: float = 0.0
    since: int = 0
    """How many frames of the clip come before, where its sound depends on them."""
    ramps: tuple[Ramp, ...] = ()


@dataclass(frozen=True)
class Words:
    """A caption that is drawn from frame ``first`` to before ``end``."""

    first: int
    end: int
    text: str


@dataclass(frozen=True)
class RenderSegment:
    """A part of the film, of ``length`` frames; pieces from the lowest to the one above all."""

    name: str
    length: int
    pieces: tuple[Piece, ...]
    words: tuple[Words, ...] = ()


@dataclass(frozen=True)
class RenderPlan:
    """A film: segments of pictures and segments of sound, each one after another."""

    frames: int
    pictures: tuple[RenderSegment, ...]
    sound: tuple[RenderSegment, ...]

    @property
    def segments(self) -> dict[str, RenderSegment]:
        """All that are different, by name."""
        return {one.name: one for one in (*self.pictures, *self.sound)}


def plan_render(timeline: Timeline, output: Output) -> RenderPlan:
    """How the timeline is rendered; pure, and quick."""
    rate = output.rate
    frames = max(1, frame_of(timeline.duration_ms, rate))
    tracks = [(track, frame_clips(track, rate)) for track in timeline.tracks]
    seen = [clips for track, clips in tracks if track.shows]
    heard = [list(heard_clips(track, clips, timeline.sources, rate)) for track, clips in tracks]
    pictures: tuple[RenderSegment, ...] = ()
    if output.format is not Format.M4A:
        cues = timeline.cues if output.captions is Captions.BURNED else ()
        style = timeline.captions_style or DEFAULT
        pictures = tuple(_pictures(seen, timeline.sources, output, frames, cues, style))
    sound = tuple(_sound(heard, timeline.sources, output, frames)) if any(heard) else ()
    return RenderPlan(frames, pictures, sound)


def plan_frame(
    tracks: Sequence[Track],
    sources: Sequence[MediaReference],
    frame: int,
    rate: Fraction,
    size: tuple[int, int],
) -> RenderSegment:
    """One frame of the film by itself, without captions: what is played there, and its name."""
    shown = [
        clip
        for track in tracks
        if track.shows
        for clip in frame_clips(track, rate)
        if clip.first <= frame < clip.end
    ]
    pieces = tuple(_piece(clip, frame, frame + 1, rate, sound=False) for clip in shown)
    return _named(["frame", *size], sources, 1, pieces)


def _pictures(
    tracks: list[list[FrameClip]],
    sources: Sequence[MediaReference],
    output: Output,
    frames: int,
    cues: Sequence[Cue],
    style: CaptionsStyle,
) -> Iterator[RenderSegment]:
    rate = output.rate
    words = deque(
        Words(frame_of(cue.start_ms, rate), frame_of(cue.end_ms, rate), cue.text) for cue in cues
    )
    made_of = [output.format, output.width, output.height, output.frame_rate, output.proxy]
    edges = _edges(tracks, sources, rate)
    cuts = _cuts(tracks, edges, frames, PICTURES, rate)
    for (begin, end), clips in zip(pairwise(cuts), _played(tracks, cuts), strict=True):
        while words and words[0].end <= begin:
            words.popleft()
        shown = [
            Words(max(one.first, begin) - begin, min(one.end, end) - begin, one.text)
            for one in takewhile(lambda one: one.first < end, words)  # noqa: B023 - used at once
        ]
        shown = [one for one in shown if one.first < one.end]
        pieces = tuple(_piece(clip, begin, end, rate, sound=False) for clip in clips)
        # A style is of no account where no words are shown.
        looks = [style.model_dump()] if shown else []
        kind = ["pictures", *made_of, *looks]
        yield _named(kind, sources, end - begin, pieces, tuple(shown))


def _sound(
    tracks: list[list[FrameClip]], sources: Sequence[MediaReference], output: Output, frames: int
) -> Iterator[RenderSegment]:
    rate = output.rate
    edges = _outside_of_sped(_edges(tracks, sources, rate), tracks)
    cuts = _cuts(tracks, edges, frames, SOUND, rate)
    # Where a cut is no whole number of samples from the beginning, segments would not fit.
    step = (SAMPLE_RATE / rate).denominator
    whole = sorted({0, frames, *(cut - cut % step for cut in cuts[:-1])})
    for (begin, end), clips in zip(pairwise(whole), _played(tracks, whole), strict=True):
        pieces = tuple(_piece(clip, begin, end, rate, sound=True) for clip in clips)
        yield _named(["sound", output.frame_rate], sources, end - begin, pieces)


def _edges(
    tracks: list[list[FrameClip]], sources: Sequence[MediaReference], rate: Fraction
) -> dict[int, bool]:
    """Where it may be cut, and whether it is as soon as the segment is long enough.

    A cut depends on what begins or ends there, or on the time in a long take: not on what came
    before, so that cuts find back to where they were behind a change.
    """
    found: dict[int, bool] = {}
    grid = PICTURES.most_seconds * round(rate) // 2
    for clip in (clip for clips in tracks for clip in clips):
        played_from = f"{sources[clip.source].id} {clip.at} {clip.speed}"
        for edge, what in ((clip.first, "begins"), (clip.end, "ends")):
            found[edge] = found.get(edge, False) or crc32(f"{played_from} {what}".encode()) % 2 == 0
        if clip.length > grid:
            played = int(clip.at * rate / clip.speed)
            begin = clip.first + grid - played % grid
            found.update(dict.fromkeys(range(begin, clip.end, grid), True))
    return found


def _outside_of_sped(edges: Mapping[int, bool], tracks: list[list[FrameClip]]) -> dict[int, bool]:
    """Sound at another speed depends on where it began: it is not cut without need."""
    spans = sorted((c.first, c.end) for clips in tracks for c in clips if c.speed != 1)
    starts = [first for first, _ in spans]
    reach = [0]
    for _, end in spans:
        reach.append(max(reach[-1], end))
    return {at: marked for at, marked in edges.items() if reach[bisect_left(starts, at)] <= at}


def _cuts(
    tracks: list[list[FrameClip]],
    edges: Mapping[int, bool],
    frames: int,
    bounds: Bounds,
    rate: Fraction,
) -> list[int]:
    """The frames at which segments begin, and the end."""
    least, most = int(bounds.least_seconds * rate), int(bounds.most_seconds * rate)
    starts = sorted(clip.first for clips in tracks for clip in clips)
    ends = sorted(clip.end for clips in tracks for clip in clips)
    places = sorted(edge for edge in edges if 0 < edge < frames)
    cuts = [0]
    while (last := cuts[-1]) < frames:
        # So many clips play already; the one that would be too many begins a new segment.
        playing = bisect_right(starts, last) - bisect_right(ends, last)
        too_many = bisect_right(starts, last) + max(1, bounds.most_pieces - playing)
        limit = min(last + most, frames, *starts[too_many : too_many + 1])
        inside = places[bisect_right(places, last) : bisect_right(places, limit)]
        late = [place for place in inside if place >= last + least]
        marked = next((place for place in late if edges[place]), None)
        if marked is None:
            marked = (
                limit if limit in (frames, *starts[too_many:][:1]) else max(late, default=limit)
            )
        cuts.append(marked)
    return cuts


def _played(tracks: list[list[FrameClip]], cuts: Sequence[int]) -> list[list[FrameClip]]:
    """What each segment between two cuts has a part of, found without asking all of each."""
    played: list[list[FrameClip]] = [[] for _ in cuts[1:]]
    for clip in (clip for clips in tracks for clip in clips):
        for place in range(bisect_right(cuts, clip.first) - 1, bisect_left(cuts, clip.end)):
            played[place].append(clip)
    return played


def _piece(clip: FrameClip, begin: int, end: int, rate: Fraction, *, sound: bool) -> Piece:
    first, last = max(clip.first, begin), min(clip.end, end)
    return Piece(
        source=clip.source,
        first=first - begin,
        end=last - begin,
        at=clip.at_frame(first, rate),
        speed=clip.speed,
        gain_db=clip.gain_db if sound else 0.0,
        since=first - clip.first if sound and clip.speed != 1 else 0,
        ramps=tuple(
            replace(ramp, first=ramp.first - begin)
            for ramp in _ramps(clip, sound=sound)
            if ramp.first < last and ramp.end > first
        ),
    )


def _ramps(clip: FrameClip, *, sound: bool) -> Iterator[Ramp]:
    """Of the whole clip; in pictures the later clip dissolves over the other."""
    first, end = clip.first - clip.before, clip.end + clip.behind
    tail = clip.tail if sound else 0
    yield Ramp(first, clip.lead, rising=True, dissolve=True)
    if clip.fade_in:
        yield Ramp(*clip.fade_in, rising=True, dissolve=False)
    yield Ramp(end - tail, tail, rising=False, dissolve=True)
    if clip.fade_out:
        yield Ramp(*clip.fade_out, rising=False, dissolve=False)


def _named(
    kind: list[Any],
    sources: Sequence[MediaReference],
    length: int,
    pieces: tuple[Piece, ...],
    words: tuple[Words, ...] = (),
) -> RenderSegment:
    """A segment with its name; sources count by what they are, not by their places."""
    content = [
        VERSION,
        *kind,
        length,
        [[sources[piece.source].id, *_values(piece)] for piece in pieces],
        [[one.first, one.end, one.text] for one in words],
    ]
    name = hashlib.sha1(json.dumps(content).encode(), usedforsecurity=False).hexdigest()
    return RenderSegment(name, length, pieces, words)


def _values(piece: Piece) -> list[Any]:
    ramps = [[ramp.first, ramp.length, ramp.rising, ramp.dissolve] for ramp in piece.ramps]
    at, speed = str(piece.at), str(piece.speed)
    return [piece.first, piece.end, at, speed, piece.gain_db, piece.since, ramps]
