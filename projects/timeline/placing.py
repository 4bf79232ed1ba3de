"""Clips on a track: cut out of it, brought back, joined again.

What is cut out stays on the track as a deleted clip that says how it went. With the mode ``ripple``
the clips behind it on its track close the gap and make room again; with ``gap`` they stay.
"""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from projects.timeline.content import (
    PERMILLE,
    Clip,
    Effect,
    Refused,
    end_of,
    in_source,
    on_timeline,
    replaced,
    speed_permille,
)
from projects.timeline.rules import overlaps_of

EFFECTS_OF_START = frozenset({"cross_fade", "fade_in"})
EFFECTS_OF_END = frozenset({"fade_out"})

Span = tuple[int, int]
"""Milliseconds of the source: from, to."""


def new_id() -> str:
    """An id for a clip or a track."""
    return str(uuid.uuid4())


def without(effects: Iterable[Effect], kinds: frozenset[str]) -> list[Effect]:
    """The effects but those of some types."""
    return [effect for effect in effects if effect["type"] not in kinds]


def part_of(clip: Clip, span: Span, start_ms: int, clip_id: str) -> dict[str, Any]:
    """A stretch of a clip's source as a clip; the effects of an edge stay with that edge."""
    effects = list(clip["effects"])
    if span[0] > clip["in_point_ms"]:
        effects = without(effects, EFFECTS_OF_START)
    if span[1] < clip["out_point_ms"]:
        effects = without(effects, EFFECTS_OF_END)
    return {
        **clip,
        "id": clip_id,
        "start_ms": start_ms,
        "duration_ms": _length(clip, *span),
        "in_point_ms": span[0],
        "out_point_ms": span[1],
        "effects": effects,
    }


def _length(clip: Clip, in_ms: int, out_ms: int) -> int:
    """How long a part of the clip is on the timeline; the whole is what it is."""
    if (in_ms, out_ms) == (clip["in_point_ms"], clip["out_point_ms"]):
        return int(clip["duration_ms"])
    return on_timeline(out_ms - in_ms, speed_permille(clip["effects"]))


def cut(
    clips: list[Clip], index: int, span: Span, *, mode: str, segment_id: str | None
) -> list[Clip]:
    """The track's clips after a stretch of one has been deleted.

    Where what remained of the clip would be shorter than its cross-fade there, that goes too.
    """
    clip = clips[index]
    before_ms, after_ms = _faded(clips, clip)
    left, gone, right = _thirds(clip, span, before_ms, after_ms)
    if not _length(clip, *gone):
        return clips
    left_ms, right_ms = _length(clip, *left), _length(clip, *right)
    gone_start = clip["start_ms"] + left_ms
    free_at = gone_start if left_ms else gone_start + before_ms
    right_start = free_at if mode == "ripple" else end_of(clip) - right_ms
    alive = []
    if left_ms:
        alive.append(part_of(clip, left, clip["start_ms"], clip["id"]))
    if right_ms:
        alive.append(part_of(clip, right, right_start, new_id() if left_ms else clip["id"]))
    ghost = part_of(clip, gone, gone_start, new_id() if alive else clip["id"])
    ghost |= {"deleted": True, "cut": {"mode": mode, "segment_id": segment_id}}
    rest = replaced(clips, index)
    if mode == "ripple":
        rest = _closed(rest, clip, free_at, end_of(clip) - free_at - right_ms)
    first, *others = [*alive, ghost]
    return [*rest[:index], first, *rest[index:], *others]


def _thirds(clip: Clip, span: Span, before_ms: int, after_ms: int) -> tuple[Span, Span, Span]:
    """The clip's source before, in and after the span, none of them only in a cross-fade."""
    first, last = clip["in_point_ms"], clip["out_point_ms"]
    begin, end = max(span[0], first), min(span[1], last)
    if _length(clip, first, begin) <= before_ms:
        faded = in_source(before_ms, speed_permille(clip["effects"]))
        begin, end = first, min(max(end, first + faded), last)
    if _length(clip, end, last) <= after_ms:
        end = last
    return (first, begin), (begin, end), (end, last)


def _faded(clips: list[Clip], clip: Clip) -> Span:
    """By how much its neighbours overlap the clip, before and behind."""
    start, end = clip["start_ms"], end_of(clip)
    others = [other for other in clips if other is not clip and not other["deleted"]]
    before = [end_of(other) - start for other in others if other["start_ms"] <= start]
    behind = [end - other["start_ms"] for other in others if other["start_ms"] > start]
    return max(0, *before, 0), max(0, *behind, 0)


def _closed(clips: list[Clip], clip: Clip, free_at: int, gap_ms: int) -> list[Clip]:
    """All that lies behind the clip, moved forward by the gap but not before ``free_at``."""
    starts = [other["start_ms"] for other in clips if not other["deleted"]]
    behind = [start - free_at for start in starts if start > clip["start_ms"]]
    shift = min(gap_ms, *behind) if behind else gap_ms
    return [
        {**other, "start_ms": max(other["start_ms"] - shift, free_at)}
        if other["start_ms"] > clip["start_ms"]
        else other
        for other in clips
    ]


def bring_back(
    clips: list[Clip], index: int, spans: Sequence[Span], *, mode: str | None = None
) -> list[Clip]:
    """The track's clips after stretches of a deleted one have come back, as it went or by ``mode``.

    Raises ``Refused`` where a clip has to come back to a place that is taken.
    """
    ghost = clips[index]
    mode = mode or (ghost.get("cut") or {}).get("mode") or "gap"
    spans = [span for span in spans if _length(ghost, *span)]
    if not spans:
        return clips
    rests = [span for span in _between_spans(ghost, spans) if _length(ghost, *span)]
    names = iter([ghost["id"], *(new_id() for _ in range(len(spans) + len(rests)))])
    clips, at = replaced(clips, index), ghost["start_ms"]
    for span in sorted([*spans, *rests]):
        if mode == "gap":
            at = ghost["start_ms"] + _length(ghost, ghost["in_point_ms"], span[0])
        part = part_of(ghost, span, at, next(names))
        if span in rests:
            clips = [*clips, part]
            continue
        clips = _placed(clips, _revived(part), mode)
        at = end_of(clips[-1])
        clips = _joined(clips, part["id"])
    if mode == "gap" and any(True for _ in overlaps_of(clips)):
        raise Refused("mode", "no_room", "Its place is taken: use the mode ripple to make room.")
    return _at_index(clips, ghost["id"], index)


def _at_index(clips: list[Clip], clip_id: str, index: int) -> list[Clip]:
    """The clips with one at its old place, if it is there: what has not moved is no change."""
    found = [clip for clip in clips if clip["id"] == clip_id]
    others = [clip for clip in clips if clip["id"] != clip_id]
    return [*others[:index], *found, *others[index:]]


def _between_spans(ghost: Clip, spans: Sequence[Span]) -> list[Span]:
    """What remains deleted."""
    edges = [ghost["in_point_ms"], *(edge for span in sorted(spans) for edge in span)]
    edges.append(ghost["out_point_ms"])
    return [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]


def _revived(clip: Clip) -> dict[str, Any]:
    return {**{name: value for name, value in clip.items() if name != "cut"}, "deleted": False}


def _placed(clips: list[Clip], clip: Clip, mode: str) -> list[Clip]:
    return _with_room(clips, clip) if mode == "ripple" else [*clips, clip]


def _with_room(clips: list[Clip], clip: Clip) -> list[Clip]:
    """The clip put at its place, or behind what plays there; what comes later makes room."""
    at = clip["start_ms"]
    for other in sorted(clips, key=lambda other: other["start_ms"]):
        if not other["deleted"] and other["start_ms"] < at < end_of(other):
            at = end_of(other)
    moved = [
        {**other, "start_ms": other["start_ms"] + clip["duration_ms"]}
        if other["start_ms"] > at or (other["start_ms"] == at and _comes_after(other, clip))
        else other
        for other in clips
    ]
    return [*moved, {**clip, "start_ms": at}]


def _comes_after(other: Clip, clip: Clip) -> bool:
    """Which of two that begin at once comes later: one that plays, or what was cut behind it."""
    if not other["deleted"]:
        return True
    same = other["media_file_id"] == clip["media_file_id"]
    return bool(same and other["in_point_ms"] >= clip["out_point_ms"])


def _joined(clips: list[Clip], clip_id: str) -> list[Clip]:
    """The clips, a revived one grown together again with those it was cut from."""
    clip = next(clip for clip in clips if clip["id"] == clip_id)
    for other in clips:
        pair = (other, clip) if other["start_ms"] < clip["start_ms"] else (clip, other)
        whole = _whole(*pair, other["id"]) if other is not clip else None
        if whole is not None:
            kept = [whole if c is other else c for c in clips if c is not clip]
            return _joined(kept, whole["id"])
    return clips


def _whole(left: Clip, right: Clip, clip_id: str) -> Clip | None:
    """The two as one clip, if they follow each other in time and in the source."""
    if left["deleted"] or right["deleted"] or left["media_file_id"] != right["media_file_id"]:
        return None
    if end_of(left) != right["start_ms"] or left["out_point_ms"] != right["in_point_ms"]:
        return None
    if without(left["effects"], EFFECTS_OF_START) != without(right["effects"], EFFECTS_OF_END):
        return None
    return _one(left, right, clip_id)


def _one(left: Clip, right: Clip, clip_id: str) -> Clip | None:
    ends = [effect for effect in right["effects"] if effect["type"] in EFFECTS_OF_END]
    effects = [*left["effects"], *ends]
    duration = end_of(right) - left["start_ms"]
    source = right["out_point_ms"] - left["in_point_ms"]
    permille = speed_permille(effects)
    if abs(duration * permille - source * PERMILLE) >= permille:
        return None
    return {
        **left,
        "id": clip_id,
        "duration_ms": duration,
        "out_point_ms": right["out_point_ms"],
        "effects": effects,
    }
