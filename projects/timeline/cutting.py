"""Cut clips and restore what was cut: the run of parts around is built again from their origin.

What is deleted stays on the track as a deleted clip that says how it was deleted, and of what. With
the mode ``ripple`` the track is closed where nothing else is seen; with ``gap`` no clip moves.
Positions are those of the source timeline.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace

from projects.timeline.content import Clip, EditError, cross_fade_ms, end_of
from projects.timeline.dividing import TimeRange, new_id, range_of
from projects.timeline.fields import Mode
from projects.timeline.origins import (
    Deletion,
    Origin,
    Overlaps,
    Part,
    Run,
    build_whole,
    divide_run,
    get_deletion,
    get_origin,
)
from projects.timeline.rules import overlaps_of
from projects.timeline.track_editor import (
    Closing,
    TrackEditor,
    find_closing,
    get_cut,
    with_closing,
)

SourceCut = tuple[TimeRange, str | None]
"""A range of a source, and the segment of the transcript that it is cut out for, if any."""


def cut(track: TrackEditor, key: int, cuts: Sequence[SourceCut], *, mode: Mode) -> None:
    """Delete ranges of a clip, in order; of a deleted clip, what was only deleted beside its own.

    The key may be deleted, and those of the parts beside it.
    """
    clip = track.clips[key]
    run, keys = _find_run(track, key)
    if clip["deleted"]:
        (begin, end), deleted = range_of(clip), get_deletion(clip).range
        limits = [(begin, deleted[0]), (deleted[1], end)]
    else:
        limits = [range_of(clip)]
    additions = [
        Deletion(part, mode, segment_id)
        for limit in limits
        for source, segment_id in cuts
        for part in _limit_ranges(limit, [source])
        if run.origin.length(part)
    ]
    if additions:
        deletions = sorted([*run.deletions, *additions], key=lambda deletion: deletion.range)
        _rebuild(track, replace(run, deletions=_merge_deletions(deletions)), keys)
        track.normalize()


def restore_clip(
    track: TrackEditor,
    key: int,
    still_deleted: Iterable[TimeRange] = (),
    *,
    mode: Mode | None = None,
) -> None:
    """Restore what a deleted clip marks, except for what is ``still_deleted``.

    The ``mode`` is by default that of the deletion. Unless it is ``ripple``, the clip may come to
    where another one plays: call `check_overlaps` at the end.
    """
    deletion = get_deletion(track.clips[key], key)
    run, keys = _find_run(track, key)
    limits = _limit_ranges(deletion.range, still_deleted)
    remaining = [source for source in limits if run.origin.length(source)]
    if remaining == [deletion.range]:
        return
    mode = mode or deletion.mode
    parts = [replace(deletion, range=source, key=None) for source in remaining]
    restored = replace(
        run, deletions=_merge_deletions(_replace_deletion(run.deletions, deletion, parts))
    )
    if mode == deletion.mode and (mode == "gap" or _has_room(track, restored, keys)):
        _rebuild(track, restored, keys)
    else:
        _restore_elsewhere(track, key, remaining, mode)
    track.normalize()


def has_hidden_parts(clip: Clip) -> bool:
    """Return True if more was deleted with a deleted clip than its deletion asked for."""
    return bool(clip["deleted"] and "in_point_ms" in get_cut(clip))


def check_overlaps(track: TrackEditor) -> None:
    """Raise ``EditError`` if a restored clip has come to where another one plays."""
    if any(True for _ in overlaps_of(list(track.finish()["clips"]))):
        raise EditError("mode", "no_room", "Its place is taken: use the mode ripple to make room.")


def _limit_ranges(limit: TimeRange, ranges: Iterable[TimeRange]) -> list[TimeRange]:
    """Return the parts of the ranges that lie in a range."""
    parts = [(max(begin, limit[0]), min(end, limit[1])) for begin, end in ranges]
    return [(begin, end) for begin, end in parts if begin < end]


def _find_run(track: TrackEditor, key: int) -> tuple[Run, list[int]]:
    """Return a clip with the parts of the same origin right beside it, and their keys in order."""
    clip = track.clips[key]
    origin = get_origin(clip) if clip["deleted"] else _find_origin(track, clip)
    indexes = [track.playing, track.deleted] if clip["deleted"] else [track.deleted]
    before = [other for index in indexes for other in index.list_ending_at(clip["start_ms"])]
    behind = [other for index in indexes for other in index.list_starting_at(end_of(clip))]
    left_keys = [
        other
        for other in before
        if track.clips[other]["out_point_ms"] == clip["in_point_ms"]
        and _is_part(track.clips[other], origin)
    ]
    right_keys = [
        other
        for other in behind
        if track.clips[other]["in_point_ms"] == clip["out_point_ms"]
        and _is_part(track.clips[other], origin)
    ]
    keys = [*left_keys[:1], key, *right_keys[:1]]
    clips = [track.clips[part] for part in keys]
    deletions = [
        get_deletion(part, part_key)
        for part, part_key in zip(clips, keys, strict=True)
        if part["deleted"]
    ]
    fixed = [bool(clips[end]["deleted"] and keys[end] != key) for end in (0, -1)]
    source = (clips[0]["in_point_ms"], clips[-1]["out_point_ms"])
    return Run(origin, source, deletions, (fixed[0], fixed[1])), keys


def _find_origin(track: TrackEditor, clip: Clip) -> Origin:
    """Return what a clip that plays is a part of: itself, if its user has split it."""
    start, end = clip["start_ms"], end_of(clip)
    playing, deleted = (
        [track.clips[key] for key in (*index.list_ending_at(start), *index.list_starting_at(end))]
        for index in (track.playing, track.deleted)
    )
    for origin in map(get_origin, deleted):
        if origin.has_part(clip) and not any(origin.has_part(other) for other in playing):
            return origin
    return build_whole(clip)


def _is_part(clip: Clip, origin: Origin) -> bool:
    return get_origin(clip) == origin if clip["deleted"] else origin.has_part(clip)


def _replace_deletion(
    deletions: Sequence[Deletion], old: Deletion, new: Sequence[Deletion]
) -> list[Deletion]:
    index = deletions.index(old)
    return [*deletions[:index], *new, *deletions[index + 1 :]]


def _merge_deletions(deletions: Sequence[Deletion]) -> list[Deletion]:
    """Merge those for the same segment and by the same mode that touch."""
    merged: list[Deletion] = []
    for deletion in deletions:
        last = merged[-1] if merged else None
        if (
            last is None
            or last.segment_id is None
            or (last.mode, last.segment_id) != (deletion.mode, deletion.segment_id)
            or last.range[1] != deletion.range[0]
        ):
            merged.append(deletion)
        else:
            key = deletion.key if last.key is None else last.key
            merged[-1] = replace(last, range=(last.range[0], deletion.range[1]), key=key)
    return merged


def _rebuild(
    track: TrackEditor, run: Run, keys: Sequence[int]
) -> list[tuple[Deletion | None, int]]:
    """Build a run in the place of its parts; return what has deleted each part, and its key."""
    origin, old_clips = run.origin, {key: track.clips[key] for key in keys}
    overlaps = Overlaps(_overlap_before(track, origin), _overlap_after(track, origin))
    parts = divide_run(run, overlaps)
    part_keys = _choose_keys(origin, old_clips, parts)
    for key in keys:
        track.detach(key)
        if key not in part_keys:
            track.delete(key)
    result = []
    for (source, deletion), part_key in zip(parts, part_keys, strict=True):
        old = None if part_key is None else old_clips[part_key]
        clip_id = new_id() if old is None else old["id"]
        if deletion is None:
            clip = origin.build_part(source, clip_id)
        elif old is not None and _marks(old, source, deletion):
            clip = old
        else:
            clip = origin.build_deleted_part(source, clip_id, deletion)
            if deletion.mode == "ripple":
                closing = _choose_closing(track, origin, source, overlaps.after_ms)
                clip = with_closing(clip, closing)
        result.append((deletion, track.insert_at(part_key, clip)))
    if overlaps.after_ms:
        _close_next_again(track, origin, overlaps.after_ms)
    return result


def _choose_keys(
    origin: Origin, old_clips: dict[int, Clip], parts: Sequence[Part]
) -> list[int | None]:
    """Return the key of the old clip that each part continues, if any.

    The origin's id stays, then ids of what plays.
    """
    marks = {deletion.key for _, deletion in parts if deletion is not None}
    free = [key for key in old_clips if key not in marks]
    free.sort(
        key=lambda key: (old_clips[key]["id"] != origin.clip["id"], old_clips[key]["deleted"])
    )
    keys: dict[TimeRange, int] = {}
    for source, deletion in sorted(parts, key=lambda part: part[1] is not None):
        options = [
            key
            for key in free
            if old_clips[key]["in_point_ms"] < source[1]
            and source[0] < old_clips[key]["out_point_ms"]
        ]
        if deletion is not None and deletion.key is not None:
            with_origins_id = [key for key in options if old_clips[key]["id"] == origin.clip["id"]]
            options = with_origins_id or [deletion.key]
        if options:
            keys[source] = options[0]
            free = [key for key in free if key != options[0]]
    return [keys.get(source) for source, _ in parts]


def _marks(clip: Clip, source: TimeRange, deletion: Deletion) -> bool:
    """Return True if a clip marks this deletion already."""
    return (
        clip["deleted"]
        and range_of(clip) == source
        and get_deletion(clip, deletion.key) == deletion
    )


def _choose_closing(
    track: TrackEditor, origin: Origin, source: TimeRange, after_ms: int
) -> Closing:
    """Return what a ripple closes of a deleted range: the part in which nothing else is seen."""
    start = origin.position(source[0])
    begin = max(start, origin.clip["start_ms"] + _overlap_before(track, origin, only_seen=True))
    end = min(origin.position(source[1]), end_of(origin.clip) - after_ms)
    for key in track.closings.list_overlapping(begin, end):
        closing = find_closing(track.clips[key]) or (0, 0)
        closed_from = track.clips[key]["start_ms"] + closing[0]
        if closed_from <= begin:
            begin = closed_from + closing[1]
        else:
            end = min(end, closed_from)
    return (begin - start, end - begin) if end > begin else (0, 0)


def _overlap_before(track: TrackEditor, origin: Origin, *, only_seen: bool = False) -> int:
    """Return how long an origin's start lies under the clip before it, as that was before cuts.

    With ``only_seen``, for how long that clip is seen now, or has left a gap: of a clip that was
    deleted by ripple nothing is seen.
    """
    start, fade_ms = origin.clip["start_ms"], cross_fade_ms(origin.clip)
    clips = _list_with_origins(track, start, start + fade_ms) if fade_ms else []
    overlaps = [
        end_of(clip if only_seen else whole) - start
        for clip, whole in clips
        if whole["start_ms"] < start and not (only_seen and find_closing(clip))
    ]
    return max((overlap for overlap in overlaps if 0 < overlap <= fade_ms), default=0)


def _overlap_after(track: TrackEditor, origin: Origin) -> int:
    """Return how long an origin's end lies under the clip behind it, as that was before cuts."""
    start, end = origin.clip["start_ms"], end_of(origin.clip)
    starts = [
        whole["start_ms"]
        for _, whole in _list_with_origins(track, end - 1, end)
        if whole["start_ms"] >= end - cross_fade_ms(whole)
    ]
    return max((end - other for other in starts if other > start), default=0)


def _list_with_origins(track: TrackEditor, begin_ms: int, end_ms: int) -> list[tuple[Clip, Clip]]:
    """Return the clips that share some of this time, each with what it was cut from."""
    keys = [
        key
        for index in (track.playing, track.deleted)
        for key in index.list_overlapping(begin_ms, end_ms)
    ]
    clips = [track.clips[key] for key in keys]
    return [(clip, get_origin(clip).clip if clip["deleted"] else clip) for clip in clips]


def _close_next_again(track: TrackEditor, origin: Origin, after_ms: int) -> None:
    """Close the track again where the deleted start of the next clip lay under this origin."""
    starts, end = track.deleted.starts, end_of(origin.clip)
    for key in track.deleted.keys[bisect_left(starts, end - after_ms) : bisect_left(starts, end)]:
        clip = track.clips[key]
        other = get_origin(clip)
        if find_closing(clip) is None or other.clip["start_ms"] <= origin.clip["start_ms"]:
            continue
        after = _overlap_after(track, other)
        track.detach(key)
        closing = _choose_closing(track, other, range_of(clip), after)
        track.insert_at(key, with_closing(clip, closing))


def _has_room(track: TrackEditor, run: Run, keys: Sequence[int]) -> bool:
    """Return True if a run can play again beside what plays now."""
    origin = run.origin
    begin, end = (origin.position(moment) for moment in run.range)
    around = [
        track.clips[key] for key in track.playing.list_overlapping(begin, end) if key not in keys
    ]
    if not around:
        return True
    overlaps = Overlaps(_overlap_before(track, origin), _overlap_after(track, origin))
    parts = [
        origin.build_part(source, "")
        for source, deletion in divide_run(run, overlaps)
        if deletion is None
    ]
    return all(code != "clip_overlap" for _, code, _ in overlaps_of([*parts, *around]))


def _restore_elsewhere(
    track: TrackEditor, key: int, still_deleted: Sequence[TimeRange], mode: Mode
) -> None:
    """Restore by another mode than that of the deletion, or where the place is taken.

    What the deletion has closed stays closed. The mode ``ripple`` makes room for what is restored.
    """
    for part in _split_deletion(track, key, still_deleted):
        clip = track.take_out(part)
        start = clip["start_ms"]
        if mode == "ripple":
            start = track.closings.find_free_moment(track.playing.find_free_moment(start))
            track.shift(start, clip["duration_ms"])
        track.insert_at(part, {**clip, "start_ms": start, "cut": {**get_cut(clip), "mode": "gap"}})
        restore_clip(track, part)


def _split_deletion(track: TrackEditor, key: int, still_deleted: Sequence[TimeRange]) -> list[int]:
    """Split a deleted clip at what is still deleted; return the keys of the other parts."""
    if not still_deleted:
        return [key]
    deletion = get_deletion(track.clips[key], key)
    run, keys = _find_run(track, key)
    edges = [
        deletion.range[0],
        *(edge for source in still_deleted for edge in source),
        deletion.range[1],
    ]
    between = [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]
    restored = [
        replace(deletion, range=source, key=None) for source in between if run.origin.length(source)
    ]
    remaining = [replace(deletion, range=source, key=None) for source in still_deleted]
    parts = sorted([*restored, *remaining], key=lambda part: part.range)
    deletions = _replace_deletion(run.deletions, deletion, parts)
    rebuilt = _rebuild(track, replace(run, deletions=deletions), keys)
    return [part_key for part, part_key in rebuilt if part in restored]
