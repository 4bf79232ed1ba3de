"""Clips as they were before they were cut, and how deletions divide them.

Where the parts of a clip begin and end follows from the whole clip, never from each other: however
it was cut and restored, the parts are together as long as the whole. All positions here are on the
source timeline.
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
from projects.timeline.dividing import TimeRange, part_of, range_of
from projects.timeline.fields import Mode
from projects.timeline.track_editor import get_cut


@dataclass(frozen=True)
class Deletion:
    """A range of the source that was deleted, and the key of its deleted clip if there is one.

    What remains beside it and is too short to be seen goes with it, and is not in the range.
    """

    range: TimeRange
    mode: Mode
    segment_id: str | None
    key: int | None = None


@dataclass(frozen=True)
class Origin:
    """A clip before cuts."""

    clip: Clip

    def position(self, source_ms: int) -> int:
        """Return the start of a moment of its source on the source timeline.

        Rounded as the end of the clip is rounded: so the length of each part fits its source.
        """
        permille = speed_permille(self.clip["effects"])
        elapsed = (source_ms - self.clip["in_point_ms"]) * PERMILLE
        source_length = self.clip["out_point_ms"] - self.clip["in_point_ms"]
        rounds_up = self.clip["duration_ms"] * permille > source_length * PERMILLE
        rounded = -(-elapsed // permille) if rounds_up else elapsed // permille
        return self.clip["start_ms"] + rounded

    def length(self, source: TimeRange) -> int:
        """Return how long a range of its source is on the timeline."""
        return self.position(source[1]) - self.position(source[0])

    def build_part(self, source: TimeRange, clip_id: str) -> Clip:
        """Return a range of its source as a clip that plays."""
        start = self.position(source[0])
        return part_of(self.clip, source, start, clip_id, duration_ms=self.length(source))

    def has_part(self, clip: Clip) -> bool:
        """Return True if a clip is a part of it, as it was cut and where it was left."""
        begin, end = range_of(clip)
        if clip["media_file_id"] != self.clip["media_file_id"]:
            return False
        if not self.clip["in_point_ms"] <= begin < end <= self.clip["out_point_ms"]:
            return False
        part = self.build_part((begin, end), clip["id"])
        return all(part[name] == clip[name] for name in ("start_ms", "duration_ms", "effects"))

    def build_deleted_part(self, source: TimeRange, clip_id: str, deletion: Deletion) -> Clip:
        """Return a deleted part, marked with how it was deleted and what it was cut from."""
        part = self.build_part(source, clip_id)
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
        if deletion.range != source:
            cut["in_point_ms"], cut["out_point_ms"] = deletion.range
        return {**part, "deleted": True, "cut": cut}


def build_whole(clip: Clip) -> Origin:
    """Return the origin of a clip that is no part of another."""
    return Origin({**without(clip, "cut"), "deleted": False})


def get_origin(clip: Clip) -> Origin:
    """Return what a deleted clip was cut from: itself, if its mark names nothing that fits."""
    record = get_cut(clip).get("origin")
    whole = build_whole(clip)
    if record is None:
        return whole
    recorded: Clip = {**whole.clip, **record}
    permille = speed_permille(recorded["effects"])
    source_ms = recorded["out_point_ms"] - recorded["in_point_ms"]
    if abs(recorded["duration_ms"] * permille - source_ms * PERMILLE) >= permille:
        return whole
    shift = clip["start_ms"] - Origin(recorded).position(clip["in_point_ms"])
    origin = Origin({**recorded, "start_ms": recorded["start_ms"] + shift})
    return origin if origin.has_part(clip) else whole


def get_deletion(clip: Clip, key: int | None = None) -> Deletion:
    """Return the deletion of which a deleted clip is the mark."""
    cut = get_cut(clip)
    source = range_of(clip)
    deleted = (cut.get("in_point_ms", source[0]), cut.get("out_point_ms", source[1]))
    if not source[0] <= deleted[0] < deleted[1] <= source[1]:
        deleted = source
    return Deletion(deleted, cut["mode"], cut["segment_id"], key)


@dataclass(frozen=True)
class Overlaps:
    """How long an origin's start and end lie under its neighbours, before all cuts."""

    before_ms: int
    after_ms: int


@dataclass(frozen=True)
class Run:
    """A range of an origin that is built again, with the deletions in it, in order.

    At an end that is ``fixed``, all is deleted up to a deletion that was there before.
    """

    origin: Origin
    range: TimeRange
    deletions: Sequence[Deletion]
    fixed: tuple[bool, bool]


Part = tuple[TimeRange, Deletion | None]
"""A range of the source, and what has deleted it; None if it plays."""


def divide_run(run: Run, overlaps: Overlaps) -> list[Part]:
    """Return the parts of a run in order.

    What would be shorter than its cross-fade, or than a millisecond, is deleted with what is
    deleted beside it.
    """
    parts: list[Part] = []
    begin = run.range[0]
    deletions: list[Deletion] = []
    for index in range(len(run.deletions) + 1):
        playing = _find_playing(run, index, overlaps)
        if playing is not None:
            parts += [*_divide_deleted((begin, playing[0]), deletions), (playing, None)]
            begin, deletions = playing[1], []
        deletions += run.deletions[index : index + 1]
    return parts + _divide_deleted((begin, run.range[1]), deletions)


def _find_playing(run: Run, index: int, overlaps: Overlaps) -> TimeRange | None:
    """Return what plays before a deletion, or behind the last, if anything does."""
    is_first, is_last = index == 0, index == len(run.deletions)
    if (is_first and run.fixed[0]) or (is_last and run.fixed[1]):
        return None
    origin = run.origin
    begin = run.range[0] if is_first else run.deletions[index - 1].range[1]
    end = run.range[1] if is_last else run.deletions[index].range[0]
    if not is_first and overlaps.before_ms:
        faded_ms = in_source(overlaps.before_ms, speed_permille(origin.clip["effects"]))
        begin = max(begin, min(end, origin.clip["in_point_ms"] + faded_ms))
    if not is_first and end_of(origin.clip) - origin.position(begin) <= overlaps.after_ms:
        return None
    if not is_last and origin.position(end) - origin.clip["start_ms"] <= overlaps.before_ms:
        return None
    return (begin, end) if begin < end and origin.length((begin, end)) else None


def _divide_deleted(source: TimeRange, deletions: Sequence[Deletion]) -> list[Part]:
    """Divide a deleted range among its deletions: each up to where the next begins."""
    edges = [source[0], *(deletion.range[0] for deletion in deletions[1:]), source[1]]
    return [((edges[i], edges[i + 1]), deletion) for i, deletion in enumerate(deletions)]
