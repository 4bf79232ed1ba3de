"""Cutting and bringing back the plain way: every list made anew, every clip looked at each time.

What `projects.timeline` finds with lanes must be what this finds.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from projects.timeline.content import Clip, Content, Refused, Segment, Track, end_of
from projects.timeline.placing import (
    Span,
    _between_spans,
    _length,
    _revived,
    _thirds,
    _whole,
    mode_of,
    new_id,
    part_of,
)
from projects.timeline.rules import overlaps_of
from projects.timeline.speech import _plays, _was_cut_for, _without


def apply(content: Content, operation: Any) -> Content:
    """The content after one of the operations that cut and bring back."""
    if operation.op.endswith("_clip"):
        return _of_clip(content, operation)
    place = next(i for i, one in enumerate(content.segments) if one["id"] == operation.segment_id)
    segment = content.segments[place]
    deletes = operation.op.startswith("delete")
    if operation.op.endswith("_segment"):
        if segment["deleted"] == deletes:
            return content
        span = [(segment["start_ms"], segment["end_ms"])]
        after = {**segment, "deleted": deletes}
    else:
        if segment["deleted"]:
            raise Refused("segment_id", "segment_deleted", "")
        chosen = operation.chosen
        numbered = list(enumerate(segment["words"]))[chosen["first"] : chosen["last"] + 1]
        fresh = [index for index, word in numbered if not word.get("deleted")]
        span = _spans(segment, fresh)
        words = list(segment["words"])
        for index, word in numbered:
            words[index] = {**_without(word, "deleted"), **({"deleted": True} if deletes else {})}
        after = {**segment, "words": words}
    if deletes:
        tracks = _cut_out(content.tracks, segment, span, operation.mode)
    else:
        tracks = _brought_back(content.tracks, after, operation.mode)
    return Content(tracks, [*content.segments[:place], after, *content.segments[place + 1 :]])


def _of_clip(content: Content, operation: Any) -> Content:
    for number, track in enumerate(content.tracks):
        for index, clip in enumerate(track["clips"]):
            if clip["id"] == operation.clip_id:
                deletes = operation.op == "delete_clip"
                if clip["deleted"] == deletes:
                    return content
                span = (clip["in_point_ms"], clip["out_point_ms"])
                clips = (
                    cut(track["clips"], index, span, mode=operation.mode, segment_id=None)
                    if deletes
                    else bring_back(track["clips"], index, [span], mode=operation.mode)
                )
                return Content(with_clips(content.tracks, number, clips), content.segments)
    raise Refused("clip_id", "unknown_clip", "")


def with_clips(tracks: list[Track], index: int, clips: list[Clip]) -> list[Track]:
    return [*tracks[:index], {**tracks[index], "clips": clips}, *tracks[index + 1 :]]


def replaced(items: list[Any], index: int, *new: Any) -> list[Any]:
    return [*items[:index], *new, *items[index + 1 :]]


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
    mode = mode_of(ghost, mode)
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


def _cut_out(
    tracks: list[Track], segment: Segment, spans: Iterable[Span], mode: str
) -> list[Track]:
    for span in reversed(list(spans)):
        for index, track in enumerate(tracks):
            clips = _cut_track(track["clips"], segment, span, mode)
            if clips is not track["clips"]:
                tracks = with_clips(tracks, index, clips)
    return tracks


def _cut_track(clips: list[Clip], segment: Segment, span: Span, mode: str) -> list[Clip]:
    playing = [clip["id"] for clip in clips if _plays(clip, segment, span)]
    for clip_id in playing:
        index = next(i for i, clip in enumerate(clips) if clip["id"] == clip_id)
        clips = cut(clips, index, span, mode=mode, segment_id=segment["id"])
    return clips


def _brought_back(tracks: list[Track], segment: Segment, mode: str | None) -> list[Track]:
    """The tracks with all that was cut out for the segment, but for its deleted words."""
    deleted = [index for index, word in enumerate(segment["words"]) if word.get("deleted")]
    gone = _spans(segment, deleted)
    for index, track in enumerate(tracks):
        clips = track["clips"]
        ghosts = [clip for clip in clips if _was_cut_for(clip, segment)]
        for ghost in sorted(ghosts, key=lambda clip: (clip["start_ms"], clip["in_point_ms"])):
            place = next(i for i, clip in enumerate(clips) if clip["id"] == ghost["id"])
            spans = _remaining((ghost["in_point_ms"], ghost["out_point_ms"]), gone)
            clips = bring_back(clips, place, spans, mode=mode)
        if clips is not track["clips"]:
            tracks = with_clips(tracks, index, clips)
    return tracks


def _remaining(span: Span, gone: Iterable[Span]) -> list[Span]:
    """The parts of a span that lie in none of the others, which are in order."""
    begin, end = span
    parts = []
    for first, last in gone:
        if first < end and last > begin:
            if first > begin:
                parts.append((begin, first))
            begin = last
    return [*parts, (begin, end)] if begin < end else parts


def _spans(segment: Segment, indexes: Iterable[int]) -> list[Span]:
    """The time of these words, neighbours together."""
    edges = _edges(segment)
    spans: list[Span] = []
    for index in indexes:
        begin, end = edges[index], edges[index + 1]
        if spans and spans[-1][1] == begin:
            begin = spans.pop()[0]
        spans.append((begin, end))
    return [span for span in spans if span[0] < span[1]]


def _edges(segment: Segment) -> list[int]:
    """Where words begin, from the segment's start to its end."""
    edges = [segment["start_ms"]]
    for word in segment["words"][1:]:
        edges.append(max(edges[-1], min(word["start_ms"], segment["end_ms"])))
    return [*edges, max(edges[-1], segment["end_ms"])]
