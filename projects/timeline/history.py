"""Undo and redo beside what jobs deliver, which is nobody's edit and no step.

A delivery counts as if it had been there in every version that undo and redo lead to. So when it
comes, the steps are followed once through the versions without it, and each is written down anew as
what lies between the same two versions with it.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import bson

from projects.documents import MAX_STACK_BYTES, MAX_TRANSCRIPT_BYTES
from projects.timeline import changes as changing
from projects.timeline.content import Content, Segment

CHANGES = "changes"
"""The kind of step whose edit is a list of `projects.timeline.changes`."""

Segments = list[Segment]
Step = Mapping[str, Any]


def carried(
    steps: Sequence[Step],
    *,
    segments: Segments,
    transcript_bytes: int,
    deliver: Callable[[Segments], Segments],
) -> list[Step]:
    """The stack's steps after a delivery into ``segments``, the newest last.

    ``deliver`` makes of any version's segments those with the delivery, ``transcript_bytes`` is the
    size with it today. What a step did to tracks stays as it is; a step that did nothing but to
    segments that are replaced is dropped. A version that has no room for the delivery cannot be
    reached any more, nor one before it.
    """
    kept: list[Step] = []
    room, size = MAX_STACK_BYTES, transcript_bytes
    without, now = segments, deliver(segments)
    for stored in reversed(steps):
        step = stored
        if step["edit"]["kind"] != CHANGES:
            break
        of_tracks, of_segments = _parted(step["edit"]["changes"])
        if of_segments:
            without = changing.apply(Content([], without), of_segments).segments
            before, now = now, deliver(without)
            size += growth(before, now)
            between = changing.between(Content([], before), Content([], now)).there
            step = _with_changes(step, [*of_tracks, *between])
        room -= step["bytes"]
        if room < 0 or size > MAX_TRANSCRIPT_BYTES:
            break
        if step["edit"]["changes"]:
            kept.insert(0, step)
    return kept


def _parted(
    changes: Iterable[changing.Change],
) -> tuple[list[changing.Change], list[changing.Change]]:
    """Those of tracks and those of segments."""
    parts: tuple[list[changing.Change], list[changing.Change]] = ([], [])
    for change in changes:
        parts[not change["path"].startswith(changing.TRACKS)].append(change)
    return parts


def _with_changes(step: Step, changes: list[changing.Change]) -> Step:
    edit = {"kind": CHANGES, "changes": changes}
    return {**step, "edit": edit, "bytes": len(bson.encode(edit))}


def growth(before: Sequence[Segment], after: Sequence[Segment]) -> int:
    """By how many bytes the transcript in the document grows; what both share is not measured."""
    if len(before) == len(after):
        pairs = [pair for pair in zip(before, after, strict=True) if pair[0] is not pair[1]]
        return sum(len(bson.encode(new)) - len(bson.encode(old)) for old, new in pairs)
    shared = {id(each) for each in before} & {id(each) for each in after}
    return _size(after, shared) - _size(before, shared)


def _size(segments: Sequence[Segment], but: Container[int]) -> int:
    values = sum(len(bson.encode(each)) for each in segments if id(each) not in but)
    return values + _bytes_of_places(len(segments))


def _bytes_of_places(count: int) -> int:
    """What an array of BSON takes besides its values: a type, the place as text, a zero."""
    return sum(2 + len(str(place)) for place in range(count))
