"""Clips as they were before they were cut, and the parts that cuts leave of them.

A cut never forgets what it was cut from: where the parts of an origin begin and end follows from
the origin, never from each other, so however it was cut and brought back, the whole is the whole.
Times on the timeline here are those of the track before anything on it was closed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from projects.timeline.content import (
    PERMILLE,
    Clip,
    CutRecord,
    OriginRecord,
    end_of,
    in_source,
    speed_permille,
    without,
)
from projects.timeline.dividing import Span, part_of


@dataclass(frozen=True)
class Deletion:
    """A stretch of the source that was deleted, and the deleted clip that says so, if it is made.

    What remains beside it and is too short to be seen goes with it, but is not asked for.
    """

    span: Span
    mode: str
    segment_id: str | None
    key: int | None = None


@dataclass(frozen=True)
class Origin:
    """A clip before cuts."""

    clip: Clip

    @property
    def source(self) -> Span:
        return self.clip["in_point_ms"], self.clip["out_point_ms"]

    def at(self, source_ms: int) -> int:
        """When a moment of its source is on the timeline.

        Rounded the way the end of the clip is: so all parts of it are as long as rules want.
        """
        permille = speed_permille(self.clip["effects"])
        passed = (source_ms - self.clip["in_point_ms"]) * PERMILLE
        up = self.clip["duration_ms"] * permille > _source_ms(self.clip) * PERMILLE
        rounded = -(-passed // permille) if up else passed // permille
        return self.clip["start_ms"] + rounded

    def length(self, span: Span) -> int:
        """How long a stretch of its source is on the timeline."""
        return self.at(span[1]) - self.at(span[0])

    def part(self, span: Span, clip_id: str) -> Clip:
        return part_of(self.clip, span, self.at(span[0]), clip_id, duration_ms=self.length(span))

    def holds(self, clip: Clip) -> bool:
        """Whether this is a part of it, as it was cut and where it was left."""
        begin, end = span = (clip["in_point_ms"], clip["out_point_ms"])
        if clip["media_file_id"] != self.clip["media_file_id"]:
            return False
        if not self.source[0] <= begin < end <= self.source[1]:
            return False
        part = self.part(span, clip["id"])
        return all(part[name] == clip[name] for name in ("start_ms", "duration_ms", "effects"))

    def ghost(self, span: Span, clip_id: str, deletion: Deletion) -> Clip:
        """A deleted stretch of it, marked with how it went and what it was cut from."""
        part = self.part(span, clip_id)
        origin: OriginRecord = {
            "id": self.clip["id"],
            "duration_ms": self.clip["duration_ms"],
            "in_point_ms": self.clip["in_point_ms"],
            "out_point_ms": self.clip["out_point_ms"],
        }
        if self.clip["effects"] != part["effects"]:
            origin["effects"] = self.clip["effects"]
        cut: CutRecord = {
            "mode": deletion.mode,
            "segment_id": deletion.segment_id,
            "start_ms": part["start_ms"],
            "origin": origin,
        }
        if deletion.span != span:
            cut["in_point_ms"], cut["out_point_ms"] = deletion.span
        return {**part, "deleted": True, "cut": cut}


def _source_ms(clip: Clip) -> int:
    return clip["out_point_ms"] - clip["in_point_ms"]


def whole(clip: Clip) -> Origin:
    """A clip that has not been cut, or is not to be taken for a part of another any more."""
    return Origin({**without(clip, "cut"), "deleted": False})


def origin_of(ghost: Clip) -> Origin:
    """What a deleted clip was cut from; itself, if that is not recorded or cannot be."""
    record = cut_of(ghost).get("origin")
    alone = whole(ghost)
    if record is None:
        return alone
    clip: Clip = {**alone.clip, **record}
    source = speed_permille(clip["effects"])
    if abs(clip["duration_ms"] * source - _source_ms(clip) * PERMILLE) >= source:
        return alone
    shift = ghost["start_ms"] - Origin(clip).at(ghost["in_point_ms"])
    origin = Origin({**clip, "start_ms": clip["start_ms"] + shift})
    return origin if origin.holds(ghost) else alone


def deletion_of(ghost: Clip, key: int) -> Deletion:
    """What was deleted where a clip is marked so."""
    cut = cut_of(ghost)
    span: Span = (ghost["in_point_ms"], ghost["out_point_ms"])
    asked: Span = (cut.get("in_point_ms", span[0]), cut.get("out_point_ms", span[1]))
    if not span[0] <= asked[0] < asked[1] <= span[1]:
        asked = span
    return Deletion(asked, cut["mode"], cut["segment_id"], key)


def cut_of(ghost: Clip) -> CutRecord:
    """How a clip was deleted; those of old documents do not say."""
    return ghost.get("cut") or {"mode": "gap", "segment_id": None}


@dataclass(frozen=True)
class Faded:
    """How long an origin's start and end lie under its neighbours, on the timeline before cuts."""

    before_ms: int
    after_ms: int


@dataclass(frozen=True)
class Run:
    """A stretch of an origin that is laid anew, with what is deleted in it, in order.

    At an end that is ``fixed`` there is a deletion that was there before, up to which all is gone.
    """

    origin: Origin
    span: Span
    deletions: Sequence[Deletion]
    fixed: tuple[bool, bool]


Laid = tuple[Span, Deletion | None]


def laid(run: Run, faded: Faded) -> list[Laid]:
    """The parts of a run in order: what plays (None), and what is gone by which deletion.

    What would be shorter than its cross-fade, or than a millisecond, goes with what is gone there.
    """
    parts: list[Laid] = []
    begin = run.span[0]
    gone: list[Deletion] = []
    for place in range(len(run.deletions) + 1):
        plays = _playing(run, place, faded)
        if plays is not None:
            parts += [*_shared((begin, plays[0]), gone), (plays, None)]
            begin, gone = plays[1], []
        gone += run.deletions[place : place + 1]
    return parts + _shared((begin, run.span[1]), gone)


def _playing(run: Run, place: int, faded: Faded) -> Span | None:
    """What plays between two deletions, or before the first or behind the last."""
    first, last = place == 0, place == len(run.deletions)
    if (first and run.fixed[0]) or (last and run.fixed[1]):
        return None
    origin = run.origin
    begin = run.span[0] if first else run.deletions[place - 1].span[1]
    end = run.span[1] if last else run.deletions[place].span[0]
    start_ms, end_ms = origin.clip["start_ms"], end_of(origin.clip)
    if not first and faded.before_ms:
        faded_in = in_source(faded.before_ms, speed_permille(origin.clip["effects"]))
        begin = max(begin, min(end, origin.source[0] + faded_in))
    if not first and end_ms - origin.at(begin) <= faded.after_ms:
        return None
    if not last and origin.at(end) - start_ms <= faded.before_ms:
        return None
    return (begin, end) if begin < end and origin.length((begin, end)) else None


def _shared(span: Span, deletions: Sequence[Deletion]) -> list[Laid]:
    """A stretch that is gone, shared among its deletions: each up to where the next begins."""
    edges = [span[0], *(deletion.span[0] for deletion in deletions[1:]), span[1]]
    return [((edges[i], edges[i + 1]), deletion) for i, deletion in enumerate(deletions)]
