"""Clips cut and brought back: the stretch around is laid anew from what it was before all cuts.

What is deleted stays on the track as a deleted clip that says how it went, and of what. With the
mode ``ripple`` the track is closed where nothing else is seen; with ``gap`` nothing moves.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

from projects.timeline.content import Clip, EditError, cross_fade_ms, end_of
from projects.timeline.dividing import Span, new_id
from projects.timeline.origins import (
    Deletion,
    Faded,
    Laid,
    Origin,
    Run,
    cut_of,
    deletion_of,
    laid,
    origin_of,
    whole,
)
from projects.timeline.rules import overlaps_of
from projects.timeline.track_editor import Closing, TrackEditor, closed, closing_of, free_from

Stretch = tuple[Span, str | None]
"""Of a source, and the segment of the transcript that it is cut out for, if it is for one."""


def cut(lane: TrackEditor, key: int, stretches: Sequence[Stretch], *, mode: str) -> None:
    """Delete stretches of a clip, in order; of a deleted one, of what only went with the rest."""
    origin, keys = _around(lane, key)
    run = _run_of(lane, origin, keys, key)
    room = _hidden(lane.clips[key]) if lane.clips[key]["deleted"] else [_span_of(lane.clips[key])]
    new = [
        Deletion(part, mode, segment_id)
        for each in room
        for span, segment_id in stretches
        for part in _within(each, [span])
        if origin.length(part)
    ]
    if new:
        deletions = sorted([*run.deletions, *new], key=lambda each: each.span)
        _lay(lane, replace(run, deletions=_merged(deletions)), keys)
        lane.settle()


def restore_clip(
    lane: TrackEditor, key: int, still: Iterable[Span] = (), *, mode: str | None = None
) -> None:
    """Have what was deleted where a clip is marked so play again, but what is ``still`` deleted.

    It comes back as it went or by ``mode``. Unless by ``ripple`` it may come to a place that is
    taken: see ``check_free_time``.
    """
    deletion = deletion_of(lane.clips[key], key)
    origin, keys = _around(lane, key)
    stay = [span for span in _within(deletion.span, still) if origin.length(span)]
    if stay == [deletion.span]:
        return
    wanted = mode_of(lane.clips[key], mode)
    run = _run_of(lane, origin, keys, key)
    parts = [replace(deletion, span=span, key=None) for span in stay]
    place = run.deletions.index(deletion)
    deletions = [*run.deletions[:place], *parts, *run.deletions[place + 1 :]]
    run = replace(run, deletions=_merged(deletions))
    if wanted == deletion.mode and (wanted == "gap" or _is_free(lane, run, keys)):
        _lay(lane, run, keys)
    else:
        _bring_elsewhere(lane, key, stay, wanted)
    lane.settle()


def mode_of(ghost: Clip, mode: str | None) -> str:
    """How it comes back: by the mode asked for, or as it went."""
    return mode or deletion_of(ghost, 0).mode


def asked_of(ghost: Clip) -> Span:
    """What was deleted where a clip is marked so, without what only went with it."""
    return deletion_of(ghost, 0).span


def hides(clip: Clip) -> bool:
    """Whether more has gone with a deleted clip than was deleted."""
    return bool(clip["deleted"] and "in_point_ms" in (clip.get("cut") or {}))


def check_free_time(lane: TrackEditor) -> None:
    """Raise ``EditError`` where a clip has come back to a place that was taken."""
    if any(True for _ in overlaps_of(list(lane.finished()["clips"]))):
        raise EditError("mode", "no_room", "Its place is taken: use the mode ripple to make room.")


def _span_of(clip: Clip) -> Span:
    return clip["in_point_ms"], clip["out_point_ms"]


def _hidden(ghost: Clip) -> list[Span]:
    """What has only gone with what was deleted: before it and behind it."""
    (begin, end), asked = _span_of(ghost), asked_of(ghost)
    return [(begin, asked[0]), (asked[1], end)]


def _within(room: Span, spans: Iterable[Span]) -> list[Span]:
    """The spans as far as they lie in another one."""
    found = [(max(begin, room[0]), min(end, room[1])) for begin, end in spans]
    return [(begin, end) for begin, end in found if begin < end]


def _around(lane: TrackEditor, key: int) -> tuple[Origin, list[int]]:
    """What a clip was cut from; it and the other parts of that right beside it, in order."""
    clip = lane.uncut(key)
    origin = origin_of(clip) if clip["deleted"] else _cut_from(lane, clip) or whole(clip)
    rows = lane.rows if clip["deleted"] else [lane.gone]
    before = [other for row in rows for other in row.ending_at(clip["start_ms"])]
    behind = [other for row in rows for other in row.beginning_at(end_of(clip))]
    left = [o for o in before if lane.clips[o]["out_point_ms"] == clip["in_point_ms"]]
    right = [o for o in behind if lane.clips[o]["in_point_ms"] == clip["out_point_ms"]]
    left, right = ([o for o in some if _is_part(lane, o, origin)] for some in (left, right))
    return origin, [*left[:1], key, *right[:1]]


def _cut_from(lane: TrackEditor, clip: Clip) -> Origin | None:
    """What a clip that plays is a part of, unless its user has split it."""
    live, gone = (
        [*row.ending_at(clip["start_ms"]), *row.beginning_at(end_of(clip))] for row in lane.rows
    )
    for origin in (origin_of(lane.uncut(other)) for other in gone):
        if origin.holds(clip) and not any(_is_part(lane, other, origin) for other in live):
            return origin
    return None


def _is_part(lane: TrackEditor, key: int, origin: Origin) -> bool:
    clip = lane.uncut(key)
    return origin_of(clip) == origin if clip["deleted"] else origin.holds(clip)


def _run_of(lane: TrackEditor, origin: Origin, keys: Sequence[int], key: int) -> Run:
    """These parts of an origin, one and those beside it, as they are."""
    clips = [lane.clips[key] for key in keys]
    deletions = [
        deletion_of(clip, key) for clip, key in zip(clips, keys, strict=True) if clip["deleted"]
    ]
    span = (clips[0]["in_point_ms"], clips[-1]["out_point_ms"])
    fixed = [bool(clips[end]["deleted"] and keys[end] != key) for end in (0, -1)]
    return Run(origin, span, deletions, (fixed[0], fixed[1]))


def _merged(deletions: Sequence[Deletion]) -> list[Deletion]:
    """Those for the same segment that went the same way and touch, as one."""
    merged: list[Deletion] = []
    for one in deletions:
        last = merged[-1] if merged else None
        if last is None or one.segment_id is None or not _alike(last, one):
            merged.append(one)
        else:
            key = one.key if last.key is None else last.key
            merged[-1] = replace(last, span=(last.span[0], one.span[1]), key=key)
    return merged


def _alike(one: Deletion, other: Deletion) -> bool:
    same = (one.mode, one.segment_id) == (other.mode, other.segment_id)
    return same and one.span[1] == other.span[0]


Named = tuple[Laid, int | None, str]


def _lay(lane: TrackEditor, run: Run, keys: Sequence[int]) -> list[tuple[Deletion | None, int]]:
    """Lay a run anew in the place of its parts; what has come of it, with the keys."""
    origin, old = run.origin, {key: lane.uncut(key) for key in keys}
    faded = _faded(lane, origin)
    plan = _named(origin, old, laid(run, faded))
    kept = {key for _, key, _ in plan}
    for part in keys:
        lane.lift(part)
        if part not in kept:
            lane.drop(part, lifted=True)
    made = []
    for (span, deletion), key, name in plan:
        before = None if key is None else old[key]
        if deletion is None:
            clip = origin.part(span, name)
        elif before is not None and _stays(before, span, deletion):
            clip = before
        else:
            ghost = origin.ghost(span, name, deletion)
            clip = _closed(ghost, _closing(lane, origin, span, faded))
        made.append((deletion, lane.lay(key, clip)))
    if faded.after_ms:
        _close_again(lane, origin, faded.after_ms)
    return made


def _named(origin: Origin, old: dict[int, Clip], parts: Sequence[Laid]) -> list[Named]:
    """Which parts go on as which clips: the origin's id stays, then ids of what plays."""
    told = {deletion.key for _, deletion in parts if deletion is not None}
    free = [key for key in old if key not in told]
    free.sort(key=lambda key: (old[key]["id"] != origin.clip["id"], old[key]["deleted"]))
    given: dict[Span, int] = {}
    for span, deletion in sorted(parts, key=lambda part: part[1] is not None):
        some = [key for key in free if _touch(_span_of(old[key]), span)]
        if deletion is not None and deletion.key is not None:
            some = [key for key in some if old[key]["id"] == origin.clip["id"]] or [deletion.key]
        if some:
            given[span] = some[0]
            free = [key for key in free if key != some[0]]
    keys = [given.get(span) for span, _ in parts]
    return [
        (part, key, new_id() if key is None else old[key]["id"])
        for part, key in zip(parts, keys, strict=True)
    ]


def _touch(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _stays(ghost: Clip, span: Span, deletion: Deletion) -> bool:
    """Whether a deleted clip is what it was."""
    same = replace(deletion_of(ghost, 0), key=deletion.key) == deletion
    return bool(ghost["deleted"] and _span_of(ghost) == span and same)


def _closed(ghost: Clip, closing: Closing) -> Clip:
    return closed(ghost, closing) if ghost["cut"]["mode"] == "ripple" else ghost


def _closing(lane: TrackEditor, origin: Origin, span: Span, faded: Faded) -> Closing:
    """What the track is closed by where this has gone: by what nothing else is seen in."""
    start = origin.at(span[0])
    seen_until = _before(lane, origin, seen=True) + origin.clip["start_ms"]
    begin = max(start, seen_until)
    end = min(origin.at(span[1]), end_of(origin.clip) - faded.after_ms)
    return (begin - start, end - begin) if end > begin else (0, 0)


def _faded(lane: TrackEditor, origin: Origin) -> Faded:
    return Faded(_before(lane, origin), _after(lane, origin))


def _before(lane: TrackEditor, origin: Origin, *, seen: bool = False) -> int:
    """How long its start lies under the clip before: as it was uncut, or what is seen of that.

    Of a deleted clip nothing is seen, but the place of one that has left a gap is not closed.
    """
    start, fade = origin.clip["start_ms"], cross_fade_ms(origin.clip)
    ends = [
        end_of(clip if seen else whole)
        for clip, whole in (_wholes(lane, start, start + fade) if fade else ())
        if whole["start_ms"] < start and not (seen and closing_of(clip))
    ]
    return max((end - start for end in ends if start < end <= start + fade), default=0)


def _after(lane: TrackEditor, origin: Origin) -> int:
    """How long its end lies under the clip behind, as that was uncut."""
    start, end = origin.clip["start_ms"], end_of(origin.clip)
    starts = [
        whole["start_ms"]
        for _, whole in _wholes(lane, end - 1, end)
        if whole["start_ms"] >= end - cross_fade_ms(whole)
    ]
    return max((end - other for other in starts if other > start), default=0)


def _wholes(lane: TrackEditor, begin: int, end: int) -> list[tuple[Clip, Clip]]:
    """What lies over any of this time on the uncut track, each with what it was cut from."""
    keys = [key for row in lane.rows for key in row.over(begin, end)]
    clips = [lane.uncut(key) for key in keys]
    return [(clip, origin_of(clip).clip if clip["deleted"] else clip) for clip in clips]


def _close_again(lane: TrackEditor, origin: Origin, after_ms: int) -> None:
    """Close the track anew where the deleted start of the next clip lay under this one."""
    row, end = lane.gone, end_of(origin.clip)
    places = range(bisect_left(row.starts, end - after_ms), bisect_left(row.starts, end))
    for key in [row.keys[place] for place in places]:
        ghost = lane.uncut(key)
        other = origin_of(ghost)
        if closing_of(ghost) is None or other.clip["start_ms"] <= origin.clip["start_ms"]:
            continue
        faded = Faded(0, _after(lane, other))
        closing = _closing(lane, other, _span_of(ghost), faded)
        if closing != closing_of(ghost):
            lane.lift(key)
            lane.lay(key, closed(ghost, closing))


def _is_free(lane: TrackEditor, run: Run, keys: Sequence[int]) -> bool:
    """Whether a run can play again beside what plays now."""
    origin = run.origin
    begin, end = (origin.at(moment) for moment in run.span)
    around = [lane.uncut(key) for key in lane.playing.over(begin, end) if key not in keys]
    if not around:
        return True
    parts = [origin.part(span, "") for span, gone in laid(run, _faded(lane, origin)) if not gone]
    return all(code != "clip_overlap" for _, code, _ in overlaps_of([*parts, *around]))


def _bring_elsewhere(lane: TrackEditor, key: int, still: Sequence[Span], mode: str) -> None:
    """Bring back by another mode than it went, or to a place that is taken.

    What it has closed stays closed, and with ``ripple`` room is made for it.
    """
    for part in _apart(lane, key, still):
        ghost = lane.uncut(part)
        closing = closing_of(ghost)
        lane.lift(part)
        if closing is not None:
            lane.move(ghost["start_ms"] + sum(closing), -closing[1])
        at = ghost["start_ms"]
        if mode == "ripple":
            row = lane.playing
            reach = list(accumulate(row.ends_before(len(row.keys)), max))
            at = free_from(row.starts, reach, at)
            lane.move(at, ghost["duration_ms"])
        lane.lay(part, {**ghost, "start_ms": at, "cut": {**cut_of(ghost), "mode": "gap"}})
        restore_clip(lane, part)


def _apart(lane: TrackEditor, key: int, still: Sequence[Span]) -> list[int]:
    """A deletion taken apart: the keys of the parts that are to come back."""
    deletion = deletion_of(lane.clips[key], key)
    if not still:
        return [key]
    origin, keys = _around(lane, key)
    run = _run_of(lane, origin, keys, key)
    edges = [
        deletion.span[0],
        *(edge for span in still for edge in span),
        deletion.span[1],
    ]
    rest = [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]
    back = [replace(deletion, span=span, key=None) for span in rest if origin.length(span)]
    stay = [replace(deletion, span=span, key=None) for span in still]
    place = run.deletions.index(deletion)
    parts = sorted([*back, *stay], key=lambda each: each.span)
    deletions = [*run.deletions[:place], *parts, *run.deletions[place + 1 :]]
    made = _lay(lane, replace(run, deletions=deletions), keys)
    return [key for one, key in made if one in back]
