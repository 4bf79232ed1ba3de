"""Undo and redo: two stacks of steps, beside what jobs deliver, which is nobody's edit and no step.

A step is the inverse of an edit, written with it. A delivery counts as if it had been there in
every version that undo and redo lead to. So when it comes, the steps are followed once through the
versions without it, and each is replaced by the difference of the same two versions with it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
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
StepKind = Literal["edit", "undo", "redo"]


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

    ``operations`` are their names, each once; None, as the author, of steps that do not say.
    """

    author: Author | None = None
    operations: Sequence[str] | None = None
    made_at: datetime | None = None
    """None: now."""

    @classmethod
    def of(cls, step: Step) -> "Attribution":
        """Return the attribution that is stored with a step."""
        edit = step["edit"]
        return cls(edit.get("author"), edit.get("operations"), step["created_at"])

    def build_inverse(self, changes: list[Change]) -> StepEdit:
        """Return the edit that the changes make, to be stored as a step."""
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
    stacks: Stacks, inverse: StepEdit, kind: StepKind, made_at: datetime | None = None
) -> tuple[Update, Stacks]:
    """Return the update that stores the inverse of an edit, and the sizes of both stacks after it.

    An ``edit`` goes on the undo stack and empties the other; ``undo`` takes its step from the undo
    stack and puts the inverse on the other, ``redo`` the other way round. Raise
    ``EdlTooLargeProblem``.
    """
    encoded = bson.encode(inverse)
    size = len(encoded)
    created_at = made_at or timezone.now()
    step = {"edit": RawBSONDocument(encoded), "bytes": size, "created_at": created_at}
    if size > MAX_STACK_BYTES:
        raise EdlTooLargeProblem("The edit is too large to be kept for undo.")
    target, source = ("redo", "undo") if kind == "undo" else ("undo", "redo")
    steps = _newest_steps([*getattr(stacks, target), {"bytes": size}])
    update: Update = {"$push": {f"{target}_stack": {"$each": [step], "$slice": -len(steps)}}}
    if kind == "edit":
        update["$set"] = {f"{source}_stack": []}
    else:
        update["$pop"] = {f"{source}_stack": 1}
    rest = [] if kind == "edit" else getattr(stacks, source)[:-1]
    return update, Stacks(**{target: steps, source: rest})


def _newest_steps(steps: Sequence[Step]) -> Sequence[Step]:
    """Return as many of the newest steps as fit a stack, the last in any case."""
    sizes = list(accumulate([step["bytes"] for step in reversed(steps)]))
    fitting = bisect_right(sizes, MAX_STACK_BYTES)
    return steps[-min(max(fitting, 1), MAX_UNDO_DEPTH) :]


def find_last_step(*, project_id: UUID, user_id: UUID, kind: StepKind) -> tuple[int, Step | None]:
    """Return the EDL's version, and the step that undo or redo takes, if there is one."""
    document = find_document(
        project_id=project_id,
        user_id=user_id,
        fields={"version": 1, f"{kind}_stack": {"$slice": -1}},
    )
    steps = document["undo_stack"] if kind == "undo" else document["redo_stack"]
    return document["version"], steps[0] if steps and _has_changes(steps[0]) else None


def read_history(*, project_id: UUID, user_id: UUID) -> History:
    """Return whose edits can be undone and redone: of each stack ``MAX_UNDO_DEPTH`` at most."""
    names = ("created_at", "edit.kind", "edit.author", "edit.operations")
    fields = ["version", *(f"{stack}_stack.{name}" for stack in ("undo", "redo") for name in names)]
    document = find_document(
        project_id=project_id, user_id=user_id, fields=dict.fromkeys(fields, 1)
    )
    undo, redo = (
        [Attribution.of(step) for step in takewhile(_has_changes, reversed(steps))]
        for steps in (document["undo_stack"], document["redo_stack"])
    )
    return History(document["version"], undo, redo)


def _has_changes(step: Step) -> bool:
    return step["edit"].get("kind") == CHANGES


def carry_over_steps(
    stacks: Stacks,
    *,
    segments: Segments,
    transcript_bytes: int,
    deliver: Callable[[Segments], Segments],
) -> dict[str, list[Step]]:
    """Return the stacks that change with a delivery into ``segments``, by their fields' names.

    ``deliver`` adds the delivery to any version's segments, ``transcript_bytes`` is the size with
    it today. What a step did to anything else stays; one that only changed segments that are
    replaced is dropped. A version that has no room for the delivery cannot be reached any more, nor
    one before it.
    """
    old = {"undo_stack": stacks.undo, "redo_stack": stacks.redo}
    new = {
        name: _carry_over(steps, segments, transcript_bytes, deliver) for name, steps in old.items()
    }
    return {name: steps for name, steps in new.items() if steps != old[name]}


def _carry_over(
    steps: Sequence[Step], without: Segments, size: int, deliver: Callable[[Segments], Segments]
) -> list[Step]:
    """Return the steps that lead through the versions with the delivery.

    ``without`` are the segments of the current version without it.
    """
    result: list[Step] = []
    remaining_bytes, now = MAX_STACK_BYTES, deliver(without)
    for stored in reversed(steps):
        step = stored
        if not _has_changes(step):
            break
        remaining, of_segments = _split_changes(step["edit"]["changes"])
        if of_segments:
            without = changing.apply_changes(Content([], without), of_segments).segments
            before, now = now, deliver(without)
            size += measure_growth(before, now)
            between = changing.diff_contents(Content([], before), Content([], now)).forward
            edit: StepEdit = step["edit"] | {"changes": [*remaining, *between]}
            step = {**step, "edit": edit, "bytes": len(bson.encode(edit))}
        remaining_bytes -= step["bytes"]
        if remaining_bytes < 0 or size > MAX_TRANSCRIPT_BYTES:
            break
        if step["edit"]["changes"]:
            result.insert(0, step)
    return result


def _split_changes(changes: Iterable[Change]) -> tuple[list[Change], list[Change]]:
    """Return the changes of segments second, and the others first."""
    parts: tuple[list[Change], list[Change]] = ([], [])
    for change in changes:
        parts[change["path"].startswith(changing.SEGMENTS)].append(change)
    return parts


def measure_growth(before: Sequence[Segment], after: Sequence[Segment]) -> int:
    """Return by how many bytes the transcript in the document grows.

    Segments that both share are not encoded.
    """
    if len(before) == len(after):
        pairs = [pair for pair in zip(before, after, strict=True) if pair[0] is not pair[1]]
        return sum(len(bson.encode(new)) - len(bson.encode(old)) for old, new in pairs)
    shared = {id(segment) for segment in before} & {id(segment) for segment in after}
    sizes = [
        sum(len(bson.encode(segment)) for segment in segments if id(segment) not in shared)
        # Besides its value, an element of an array is a type, its index as text, and a zero.
        + sum(2 + len(str(index)) for index in range(len(segments)))
        for segments in (before, after)
    ]
    return sizes[1] - sizes[0]
