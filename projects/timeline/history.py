"""Undo and redo: two stacks of steps, beside what jobs deliver, which is nobody's edit and no step.

A step is the inverse of what was done, written with it. A delivery counts as if it had been there
in every version that undo and redo lead to. So when it comes, the steps are followed once through
the versions without it, and each is written down anew as what lies between the same two versions
with it.
"""

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, takewhile
from typing import Literal
from uuid import UUID

import bson
from bson.raw_bson import RawBSONDocument
from django.utils import timezone

from projects.documents import MAX_STACK_BYTES, MAX_TRANSCRIPT_BYTES, MAX_UNDO_DEPTH
from projects.edl import EdlTooLargeProblem, Update, find_document
from projects.timeline import changes as changing
from projects.timeline.content import (
    Author,
    Change,
    Content,
    Segment,
    Step,
    StepEdit,
)

CHANGES = "changes"
"""The kind of step whose edit is a list of `projects.timeline.changes`."""

Segments = list[Segment]
Way = Literal["edit", "undo", "redo"]


@dataclass(frozen=True)
class Stacks:
    """Both stacks, the newest step last: of each its ``bytes``, and its ``edit`` if it was read."""

    undo: Sequence[Step]
    redo: Sequence[Step]

    @property
    def depths(self) -> tuple[int, int]:
        return len(self.undo), len(self.redo)


@dataclass(frozen=True)
class Attribution:
    """Whose edit a step is about: it stays the same when that is undone and redone.

    ``operations`` are their names, each once; None, as the author, of steps that were not told.
    """

    author: Author | None = None
    operations: Sequence[str] | None = None
    made_at: datetime | None = None
    """None: now."""

    @classmethod
    def of(cls, step: Step) -> "Attribution":
        """As the step tells it."""
        edit = step["edit"]
        return cls(edit.get("author"), edit.get("operations"), step["created_at"])

    def inverse(self, changes: list[Change]) -> StepEdit:
        """The edit that takes it back."""
        edit: StepEdit = {"kind": CHANGES, "changes": changes}
        if self.operations is not None:
            edit |= {"author": self.author, "operations": list(self.operations)}
        return edit


@dataclass(frozen=True)
class History:
    """What can be undone in a version, and what redone, in the order in which that is done."""

    version: int
    undo: Sequence[Attribution]
    redo: Sequence[Attribution]


def record_step(
    stacks: Stacks, inverse: StepEdit, way: Way, made_at: datetime | None = None
) -> tuple[Update, Stacks]:
    """The update that keeps the inverse of what is done, and the stacks after it by their sizes.

    An ``edit`` goes on the undo stack and empties the other; ``undo`` takes its step from the undo
    stack and puts the inverse on the other, ``redo`` the other way round. Raises
    ``EdlTooLargeProblem``.
    """
    encoded = bson.encode(inverse)
    size = len(encoded)
    created_at = made_at or timezone.now()
    step = {"edit": RawBSONDocument(encoded), "bytes": size, "created_at": created_at}
    if size > MAX_STACK_BYTES:
        raise EdlTooLargeProblem("The edit is too large to be kept for undo.")
    to, other = ("redo", "undo") if way == "undo" else ("undo", "redo")
    kept = _newest([*getattr(stacks, to), {"bytes": size}])
    update: Update = {"$push": {f"{to}_stack": {"$each": [step], "$slice": -len(kept)}}}
    if way == "edit":
        update["$set"] = {f"{other}_stack": []}
    else:
        update["$pop"] = {f"{other}_stack": 1}
    rest = [] if way == "edit" else getattr(stacks, other)[:-1]
    return update, Stacks(**{to: kept, other: rest})


def _newest(steps: Sequence[Step]) -> Sequence[Step]:
    """As many of the newest steps as fit a stack, the last in any case."""
    sizes = list(accumulate([step["bytes"] for step in reversed(steps)]))
    fitting = bisect_right(sizes, MAX_STACK_BYTES)
    return steps[-min(max(fitting, 1), MAX_UNDO_DEPTH) :]


def last_step(*, project_id: UUID, user_id: UUID, way: Way) -> tuple[int, Step | None]:
    """The EDL's version, and the step that undo or redo takes, if there is one."""
    stack = f"{way}_stack"
    wanted = {"version": 1, stack: {"$slice": -1}}
    found = find_document(project_id=project_id, user_id=user_id, fields=wanted)
    steps = found["undo_stack"] if way == "undo" else found["redo_stack"]
    return found["version"], steps[0] if steps and _is_followed(steps[0]) else None


def read_history(*, project_id: UUID, user_id: UUID) -> History:
    """Whose edits can be undone and redone: of each stack ``MAX_UNDO_DEPTH`` at most."""
    told = ("created_at", "edit.kind", "edit.author", "edit.operations")
    wanted = [f"{stack}_stack.{name}" for stack in ("undo", "redo") for name in told]
    found = find_document(
        project_id=project_id, user_id=user_id, fields=dict.fromkeys(["version", *wanted], 1)
    )
    return History(
        found["version"], _attributed(found["undo_stack"]), _attributed(found["redo_stack"])
    )


def _attributed(steps: Sequence[Step]) -> list[Attribution]:
    return [Attribution.of(step) for step in takewhile(_is_followed, reversed(steps))]


def _is_followed(step: Step) -> bool:
    return step["edit"].get("kind") == CHANGES


def carry_over_steps(
    stacks: Stacks,
    *,
    segments: Segments,
    transcript_bytes: int,
    deliver: Callable[[Segments], Segments],
) -> dict[str, list[Step]]:
    """The stacks that are others after a delivery into ``segments``, by their fields' names.

    ``deliver`` makes of any version's segments those with the delivery, ``transcript_bytes`` is the
    size with it today. What a step did to anything else stays as it is; one that did nothing but to
    segments that are replaced is dropped. A version that has no room for the delivery cannot be
    reached any more, nor one before it.
    """
    found = {"undo_stack": stacks.undo, "redo_stack": stacks.redo}
    moved = {
        name: _carried(steps, segments, transcript_bytes, deliver) for name, steps in found.items()
    }
    return {name: steps for name, steps in moved.items() if steps != found[name]}


def _carried(
    steps: Sequence[Step], without: Segments, size: int, deliver: Callable[[Segments], Segments]
) -> list[Step]:
    kept: list[Step] = []
    room, now = MAX_STACK_BYTES, deliver(without)
    for stored in reversed(steps):
        step = stored
        if step["edit"]["kind"] != CHANGES:
            break
        others, of_segments = _parted(step["edit"]["changes"])
        if of_segments:
            without = changing.apply_changes(Content([], without), of_segments).segments
            before, now = now, deliver(without)
            size += growth(before, now)
            between = changing.diff_contents(Content([], before), Content([], now)).forward
            step = _with_changes(step, [*others, *between])
        room -= step["bytes"]
        if room < 0 or size > MAX_TRANSCRIPT_BYTES:
            break
        if step["edit"]["changes"]:
            kept.insert(0, step)
    return kept


def _parted(changes: Iterable[Change]) -> tuple[list[Change], list[Change]]:
    """Those of segments last, and the others."""
    parts: tuple[list[Change], list[Change]] = ([], [])
    for change in changes:
        parts[change["path"].startswith(changing.SEGMENTS)].append(change)
    return parts


def _with_changes(step: Step, changes: list[Change]) -> Step:
    edit: StepEdit = {**step["edit"], "changes": changes}
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
