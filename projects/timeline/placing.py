"""Clips on a track: cut out of it, brought back, joined again.

What is cut out stays on the track as a deleted clip that says how it went. With the mode ``ripple``
the clips behind it on its track close the gap and make room again; with ``gap`` they stay.
"""

import uuid
from bisect import bisect_left, bisect_right
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
    speed_permille,
)
from projects.timeline.dividing import division, shares
from projects.timeline.lanes import Lane, Row
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


def part_of(
    clip: Clip, span: Span, start_ms: int, clip_id: str, *, duration_ms: int | None = None
) -> dict[str, Any]:
    """A stretch of a clip's source as a clip; a fade goes on in each part that it reaches.

    It is as long as it plays, rounded down, unless the caller rounds for the whole: then it also
    lies where it lay in the whole.
    """
    first = span[0] == clip["in_point_ms"]
    if duration_ms is not None:
        duration, before = duration_ms, start_ms - clip["start_ms"]
    else:
        duration, before = _length(clip, *span), _length(clip, clip["in_point_ms"], span[0])
    is_last = span[1] == clip["out_point_ms"]
    behind = 0 if is_last else clip["duration_ms"] - before - duration
    effects = shares(clip["effects"], before_ms=before, behind_ms=behind, first=first)
    return {
        **clip,
        "id": clip_id,
        "start_ms": start_ms,
        "duration_ms": duration,
        "in_point_ms": span[0],
        "out_point_ms": span[1],
        "effects": effects,
    }


def halves(clip: Clip, offset_ms: int, new_clip_id: str) -> tuple[Clip, Clip] | None:
    """The two parts of a clip that is divided; together as long as it, and touching."""
    found = division(clip, offset_ms)
    if found is None:
        return None
    length, at = found[0], clip["in_point_ms"] + found[1]
    rest, start = clip["duration_ms"] - length, clip["start_ms"] + length
    before, behind = (clip["in_point_ms"], at), (at, clip["out_point_ms"])
    return (
        part_of(clip, before, clip["start_ms"], clip["id"], duration_ms=length),
        part_of(clip, behind, start, new_clip_id, duration_ms=rest),
    )


def _length(clip: Clip, in_ms: int, out_ms: int) -> int:
    """How long a part of the clip is on the timeline; the whole is what it is."""
    if (in_ms, out_ms) == (clip["in_point_ms"], clip["out_point_ms"]):
        return int(clip["duration_ms"])
    return on_timeline(out_ms - in_ms, speed_permille(clip["effects"]))


def cut(lane: Lane, key: int, span: Span, *, mode: str, segment_id: str | None) -> None:
    """Delete a stretch of a clip.

    Where what remained of the clip would be shorter than its cross-fade there, that goes too.
    """
    clip = lane.clip(key)
    lane.lift(key)
    before_ms, after_ms = lane.faded(clip)
    left, gone, right = _thirds(clip, span, before_ms, after_ms)
    if not _length(clip, *gone):
        lane.lay(key, clip)
        return
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
    if mode == "ripple":
        lane.close(clip["start_ms"], free_at, end_of(clip) - free_at - right_ms)
    first, *others = [*alive, ghost]
    lane.lay(key, first)
    for other in others:
        lane.append(other)


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


def bring_back(lane: Lane, key: int, spans: Sequence[Span], *, mode: str | None = None) -> None:
    """Have stretches of a deleted clip play again, as it went or by ``mode``.

    Without ``ripple`` it may come back to a place that is taken: see ``check_room``.
    """
    ghost = lane.clip(key)
    mode = mode_of(ghost, mode)
    spans = [span for span in spans if _length(ghost, *span)]
    if not spans:
        return
    rests = {span for span in _between_spans(ghost, spans) if _length(ghost, *span)}
    index, at = lane.order.index(key), ghost["start_ms"]
    made: list[int] = []
    lane.remove(key)
    for span in sorted([*spans, *rests]):
        if mode == "gap":
            at = ghost["start_ms"] + _length(ghost, ghost["in_point_ms"], span[0])
        part = part_of(ghost, span, at, new_id() if made else ghost["id"])
        if span in rests:
            made.append(lane.append(part))
        else:
            made.append(_placed(lane, _revived(part), mode))
            at = end_of(lane.clip(made[-1]))
            _join(lane, made[-1])
    if made[0] in lane.clips:
        lane.move(made[0], index)  # what has not moved is no change


def mode_of(ghost: Clip, mode: str | None) -> str:
    """How it comes back: by the mode asked for, or as it went."""
    return mode or (ghost.get("cut") or {}).get("mode") or "gap"


def check_room(lane: Lane) -> None:
    """Raise ``Refused`` where a clip has come back to a place that was taken."""
    if any(True for _ in overlaps_of(list(lane.finished()["clips"]))):
        raise Refused("mode", "no_room", "Its place is taken: use the mode ripple to make room.")


def _between_spans(ghost: Clip, spans: Sequence[Span]) -> list[Span]:
    """What remains deleted."""
    edges = [ghost["in_point_ms"], *(edge for span in sorted(spans) for edge in span)]
    edges.append(ghost["out_point_ms"])
    return [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]


def _revived(clip: Clip) -> dict[str, Any]:
    return {**{name: value for name, value in clip.items() if name != "cut"}, "deleted": False}


def _placed(lane: Lane, clip: Clip, mode: str) -> int:
    """Put at its place; with ``ripple`` behind what plays there, and all that comes later moves."""
    if mode == "ripple":
        at = _free_from(lane.playing, clip["start_ms"])
        lane.playing.open(bisect_left(lane.playing.starts, at), clip["duration_ms"])
        _open_gone(lane, clip, at)
        clip = {**clip, "start_ms": at}
    return lane.append(clip)


def _free_from(row: Row, at: int) -> int:
    """The first moment from ``at`` on that is inside no clip."""
    while True:
        end = max(row.ends_before(bisect_left(row.starts, at)), default=at)
        if end <= at:
            return at
        at = end


def _open_gone(lane: Lane, clip: Clip, at: int) -> None:
    """Move deleted clips back: of those at the same place, what was cut behind the clip."""
    row = lane.gone
    first, last = bisect_left(row.starts, at), bisect_right(row.starts, at)
    here = [(_cut_behind(lane.clips[row.keys[place]], clip), place) for place in range(first, last)]
    here.sort()
    for values in (row.keys, row.lengths):
        values[first:last] = [values[place] for _, place in here]
    row.open(first + sum(not behind for behind, _ in here), clip["duration_ms"])


def _cut_behind(other: Clip, clip: Clip) -> bool:
    same = other["media_file_id"] == clip["media_file_id"]
    return bool(same and other["in_point_ms"] >= clip["out_point_ms"])


def _join(lane: Lane, key: int) -> None:
    """Have a revived clip grow together again with those it was cut from."""
    while True:
        clip = lane.clip(key)
        for other_key in sorted(_neighbours(lane.playing, clip), key=lane.order.index):
            other = lane.clip(other_key)
            pair = (other, clip) if other["start_ms"] < clip["start_ms"] else (clip, other)
            whole = _whole(*pair, other["id"])
            if whole is not None:
                lane.remove(key)
                lane.put(other_key, whole)
                key = other_key
                break
        else:
            return


def _neighbours(row: Row, clip: Clip) -> list[int]:
    """The keys of clips that end where it begins, and that begin where it ends."""
    start, end = clip["start_ms"], end_of(clip)
    found = row.keys[bisect_left(row.starts, end) : bisect_right(row.starts, end)]
    ends, place = row.ends_before(bisect_left(row.starts, start)), -1
    for _ in range(ends.count(start)):
        place = ends.index(start, place + 1)
        found.append(row.keys[place])
    return found


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
