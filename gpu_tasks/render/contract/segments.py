"""Plan the segments that a film is made of: what each plays, and its name.

A segment's name is a hash of everything that decides its content, so segments with the same name
are identical. All frames in a segment are counted from its first frame.
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
from gpu_tasks.render.contract.frames import (
    FrameClip,
    get_frame,
    list_audible_clips,
    list_frame_clips,
)

VERSION = 6
"""Raise it when the same segment is rendered differently, so that cached segments are not used."""
SAMPLE_RATE = 48_000


@dataclass(frozen=True)
class Bounds:
    """The limits of a segment's duration and of the clips it may open."""

    least_seconds: int
    most_seconds: int
    most_pieces: int


PICTURES = Bounds(least_seconds=4, most_seconds=16, most_pieces=24)
SOUND = Bounds(least_seconds=15, most_seconds=60, most_pieces=40)


@dataclass(frozen=True)
class Ramp:
    """A fade or dissolve of a clip; it may begin before the segment and end after it."""

    first: int
    length: int
    rising: bool
    dissolve: bool

    @property
    def end(self) -> int:
        """Return the frame after its last."""
        return self.first + self.length

    def opacity_at(self, frame: int) -> float:
        """Return the opacity of the clip at a frame, from 0 to 1."""
        progress = min(1.0, max(0.0, (frame - self.first) / self.length))
        return progress if self.rising else 1 - progress


@dataclass(frozen=True)
class Piece:
    """The part of a clip that a segment plays, from frame ``first`` to before ``end``."""

    source: int
    first: int
    end: int
    at: Fraction
    """Seconds of the source at ``first``."""
    speed: Fraction
    gain_db: float = 0.0
    since: int = 0
    """The number of frames of the clip before this piece, if its sound depends on them."""
    ramps: tuple[Ramp, ...] = ()


@dataclass(frozen=True)
class Words:
    """A caption that is drawn from frame ``first`` to before ``end``."""

    first: int
    end: int
    text: str


@dataclass(frozen=True)
class RenderSegment:
    """A part of the film, ``length`` frames long; its pieces are ordered from bottom to top."""

    name: str
    length: int
    pieces: tuple[Piece, ...]
    words: tuple[Words, ...] = ()


@dataclass(frozen=True)
class RenderPlan:
    """A film: the consecutive segments of its pictures, and those of its sound."""

    frames: int
    pictures: tuple[RenderSegment, ...]
    sound: tuple[RenderSegment, ...]

    @property
    def segments(self) -> dict[str, RenderSegment]:
        """Return all distinct segments by name."""
        return {segment.name: segment for segment in (*self.pictures, *self.sound)}


def plan_render(timeline: Timeline, output: Output) -> RenderPlan:
    """Plan how the timeline is rendered."""
    rate = output.rate
    frames = max(1, get_frame(timeline.duration_ms, rate))
    tracks = [(track, list_frame_clips(track, rate)) for track in timeline.tracks]
    visible_tracks = [clips for track, clips in tracks if track.shows]
    audible_tracks = [
        list(list_audible_clips(track, clips, timeline.sources, rate)) for track, clips in tracks
    ]
    pictures: tuple[RenderSegment, ...] = ()
    if output.format is not Format.M4A:
        cues = timeline.cues if output.captions is Captions.BURNED else ()
        style = timeline.captions_style or DEFAULT
        pictures = tuple(
            _plan_pictures(visible_tracks, timeline.sources, output, frames, cues, style)
        )
    sound = (
        tuple(_plan_sound(audible_tracks, timeline.sources, output, frames))
        if any(audible_tracks)
        else ()
    )
    return RenderPlan(frames, pictures, sound)


def plan_frame(
    tracks: Sequence[Track],
    sources: Sequence[MediaReference],
    frame: int,
    rate: Fraction,
    size: tuple[int, int],
) -> RenderSegment:
    """Plan a single frame of the film, without captions."""
    clips = [
        clip
        for track in tracks
        if track.shows
        for clip in list_frame_clips(track, rate)
        if clip.first <= frame < clip.end
    ]
    pieces = tuple(_build_piece(clip, frame, frame + 1, rate, sound=False) for clip in clips)
    return _build_segment(["frame", *size], sources, 1, pieces)


def _plan_pictures(
    tracks: list[list[FrameClip]],
    sources: Sequence[MediaReference],
    output: Output,
    frames: int,
    cues: Sequence[Cue],
    style: CaptionsStyle,
) -> Iterator[RenderSegment]:
    rate = output.rate
    words = deque(
        Words(get_frame(cue.start_ms, rate), get_frame(cue.end_ms, rate), cue.text) for cue in cues
    )
    settings = [output.format, output.width, output.height, output.frame_rate, output.proxy]
    edges = _find_edges(tracks, sources, rate)
    cuts = _choose_cuts(tracks, edges, frames, PICTURES, rate)
    for (begin, end), clips in zip(pairwise(cuts), _assign_clips(tracks, cuts), strict=True):
        while words and words[0].end <= begin:
            words.popleft()
        visible_words = [
            Words(max(cue.first, begin) - begin, min(cue.end, end) - begin, cue.text)
            for cue in takewhile(lambda cue: cue.first < end, words)  # noqa: B023 - used at once
        ]
        visible_words = [cue for cue in visible_words if cue.first < cue.end]
        pieces = tuple(_build_piece(clip, begin, end, rate, sound=False) for clip in clips)
        # The style has no effect on a segment without words.
        style_values = [style.model_dump()] if visible_words else []
        kind = ["pictures", *settings, *style_values]
        yield _build_segment(kind, sources, end - begin, pieces, tuple(visible_words))


def _plan_sound(
    tracks: list[list[FrameClip]], sources: Sequence[MediaReference], output: Output, frames: int
) -> Iterator[RenderSegment]:
    rate = output.rate
    edges = _drop_edges_in_sped_clips(_find_edges(tracks, sources, rate), tracks)
    cuts = _choose_cuts(tracks, edges, frames, SOUND, rate)
    # Segments join without gaps only if every cut is a whole number of samples from the beginning.
    step = (SAMPLE_RATE / rate).denominator
    sample_cuts = sorted({0, frames, *(cut - cut % step for cut in cuts[:-1])})
    for (begin, end), clips in zip(
        pairwise(sample_cuts), _assign_clips(tracks, sample_cuts), strict=True
    ):
        pieces = tuple(_build_piece(clip, begin, end, rate, sound=True) for clip in clips)
        yield _build_segment(["sound", output.frame_rate], sources, end - begin, pieces)


def _find_edges(
    tracks: list[list[FrameClip]], sources: Sequence[MediaReference], rate: Fraction
) -> dict[int, bool]:
    """Return the frames where a cut is possible, and whether it is preferred there.

    A preferred cut is made as soon as the segment is long enough. The choice depends only on the
    clip that begins or ends there, or on the time within a long clip, never on earlier clips: so
    some time after a change, the cuts are the same as before.
    """
    edges: dict[int, bool] = {}
    grid = PICTURES.most_seconds * round(rate) // 2
    for clip in (clip for clips in tracks for clip in clips):
        content = f"{sources[clip.source].id} {clip.at} {clip.speed}"
        for edge, event in ((clip.first, "begins"), (clip.end, "ends")):
            edges[edge] = edges.get(edge, False) or crc32(f"{content} {event}".encode()) % 2 == 0
        if clip.length > grid:
            played_frames = int(clip.at * rate / clip.speed)
            begin = clip.first + grid - played_frames % grid
            edges.update(dict.fromkeys(range(begin, clip.end, grid), True))
    return edges


def _drop_edges_in_sped_clips(
    edges: Mapping[int, bool], tracks: list[list[FrameClip]]
) -> dict[int, bool]:
    """Drop the edges inside clips of another speed, whose sound depends on where it began."""
    spans = sorted((clip.first, clip.end) for clips in tracks for clip in clips if clip.speed != 1)
    starts = [first for first, _ in spans]
    reach = [0]
    for _, end in spans:
        reach.append(max(reach[-1], end))
    return {
        frame: is_preferred
        for frame, is_preferred in edges.items()
        if reach[bisect_left(starts, frame)] <= frame
    }


def _choose_cuts(
    tracks: list[list[FrameClip]],
    edges: Mapping[int, bool],
    frames: int,
    bounds: Bounds,
    rate: Fraction,
) -> list[int]:
    """Return the frames at which segments begin, and the end."""
    min_frames, max_frames = int(bounds.least_seconds * rate), int(bounds.most_seconds * rate)
    starts = sorted(clip.first for clips in tracks for clip in clips)
    ends = sorted(clip.end for clips in tracks for clip in clips)
    positions = sorted(edge for edge in edges if 0 < edge < frames)
    cuts = [0]
    while (begin := cuts[-1]) < frames:
        # The first clip beyond the limit begins a new segment.
        playing_count = bisect_right(starts, begin) - bisect_right(ends, begin)
        overflow_index = bisect_right(starts, begin) + max(1, bounds.most_pieces - playing_count)
        limit = min(begin + max_frames, frames, *starts[overflow_index : overflow_index + 1])
        candidates = positions[bisect_right(positions, begin) : bisect_right(positions, limit)]
        late_candidates = [frame for frame in candidates if frame >= begin + min_frames]
        cut = next((frame for frame in late_candidates if edges[frame]), None)
        if cut is None:
            cut = (
                limit
                if limit in (frames, *starts[overflow_index:][:1])
                else max(late_candidates, default=limit)
            )
        cuts.append(cut)
    return cuts


def _assign_clips(tracks: list[list[FrameClip]], cuts: Sequence[int]) -> list[list[FrameClip]]:
    """Return the clips of each segment between two cuts."""
    clips_by_segment: list[list[FrameClip]] = [[] for _ in cuts[1:]]
    for clip in (clip for clips in tracks for clip in clips):
        for index in range(bisect_right(cuts, clip.first) - 1, bisect_left(cuts, clip.end)):
            clips_by_segment[index].append(clip)
    return clips_by_segment


def _build_piece(clip: FrameClip, begin: int, end: int, rate: Fraction, *, sound: bool) -> Piece:
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
            for ramp in _build_ramps(clip, sound=sound)
            if ramp.first < last and ramp.end > first
        ),
    )


def _build_ramps(clip: FrameClip, *, sound: bool) -> Iterator[Ramp]:
    """Yield the ramps of the whole clip; in pictures the later clip dissolves over the earlier."""
    first, end = clip.first - clip.frames_before, clip.end + clip.frames_after
    tail = clip.tail if sound else 0
    yield Ramp(first, clip.lead, rising=True, dissolve=True)
    if clip.fade_in:
        yield Ramp(*clip.fade_in, rising=True, dissolve=False)
    yield Ramp(end - tail, tail, rising=False, dissolve=True)
    if clip.fade_out:
        yield Ramp(*clip.fade_out, rising=False, dissolve=False)


def _build_segment(
    kind: list[Any],
    sources: Sequence[MediaReference],
    length: int,
    pieces: tuple[Piece, ...],
    words: tuple[Words, ...] = (),
) -> RenderSegment:
    """Return a segment with its name; sources count by their ids, not by their indices."""
    content = [
        VERSION,
        *kind,
        length,
        [[sources[piece.source].id, *_list_values_to_hash(piece)] for piece in pieces],
        [[caption.first, caption.end, caption.text] for caption in words],
    ]
    name = hashlib.sha1(json.dumps(content).encode(), usedforsecurity=False).hexdigest()
    return RenderSegment(name, length, pieces, words)


def _list_values_to_hash(piece: Piece) -> list[Any]:
    ramps = [[ramp.first, ramp.length, ramp.rising, ramp.dissolve] for ramp in piece.ramps]
    at, speed = str(piece.at), str(piece.speed)
    return [piece.first, piece.end, at, speed, piece.gain_db, piece.since, ramps]
