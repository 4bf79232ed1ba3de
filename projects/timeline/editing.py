"""Edits of an EDL from outside: replaced, patched, by named operations, undone and redone.

Each makes one version or none. An edit that names the version it was made for fails with
``StaleEdl`` on another one; one that does not is made again on the latest.
"""

import contextlib
import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from pydantic import ValidationError as ShapeError

from auteur.api.problems import NotFound, Problem
from projects import edl
from projects.timeline import changes as changing
from projects.timeline import patching, rules
from projects.timeline.content import Content, Refused, Segment, Track
from projects.timeline.draft import Draft
from projects.timeline.history import CHANGES
from projects.timeline.operations import AnyOperation, need_tracks, segments_of
from projects.timeline.session import Edited, Needs, needs_of, read, write
from projects.timeline.shape import EdlShape
from projects.timeline.text_edits import SegmentEdit

TRIES = 50
MAX_TRYING_SECONDS = 1.0
"""Of processor time, after which an edit is tried once more: a large one not fifty times."""
MAX_PAUSE_SECONDS = 0.05

Versions = frozenset[int] | None
"""Those that an edit was made for; None for whichever is the latest."""

Made = TypeVar("Made")


class NothingToUndo(Problem):
    """The undo stack is empty."""

    status_code = 409
    default_code = "nothing_to_undo"
    default_detail = "There is no edit to undo."


class NothingToRedo(Problem):
    """The redo stack is empty."""

    status_code = 409
    default_code = "nothing_to_redo"
    default_detail = "There is no edit to redo."


def replace(*, project_id: UUID, user_id: UUID, versions: Versions, document: EdlShape) -> Edited:
    """Put other tracks in the place of all, and another transcript if one is given."""
    told = document.transcript
    needs = Needs(tracks=True, transcript=told is not None)
    tracks: list[Track] = [track.stored() for track in document.tracks]
    segments: list[Segment] = [segment.stored() for segment in told.segments] if told else []

    def change(content: Content) -> Content:
        return Content(tracks, segments if told else content.segments)

    return edit(
        project_id=project_id, user_id=user_id, versions=versions, needs=needs, change=change
    )


def operate(
    *, project_id: UUID, user_id: UUID, versions: Versions, operations: Sequence[AnyOperation]
) -> Edited:
    """Make named operations in order, all or none."""
    needs = Needs(tracks=need_tracks(operations), segment_ids=frozenset(segments_of(operations)))

    def change(content: Content) -> Content:
        draft = Draft(content)
        for index, operation in enumerate(operations):
            try:
                operation.apply(draft)
            except Refused as exc:
                rules.refuse_one(f"operations.{index}.{exc.field}", exc.code, exc.detail)
        return draft.content()

    return edit(
        project_id=project_id, user_id=user_id, versions=versions, needs=needs, change=change
    )


def edit_segment(
    *,
    project_id: UUID,
    user_id: UUID,
    versions: Versions,
    segment_id: str,
    wanted: SegmentEdit,
) -> Edited:
    """Change one segment of the transcript, and what plays it; raises ``NotFound``."""
    try:
        operations = wanted.operations(segment_id)
    except ShapeError as exc:  # no segment has such an id
        raise NotFound from exc

    def change(content: Content) -> Content:
        if not any(segment["id"] == segment_id for segment in content.segments):
            raise NotFound
        draft = Draft(content)
        for operation in operations:
            try:
                operation.apply(draft)
            except Refused as exc:
                rules.refuse_one(exc.field, exc.code, exc.detail)
        return draft.content()

    needs = Needs(tracks=need_tracks(operations), segment_ids=frozenset([segment_id]))
    return edit(
        project_id=project_id, user_id=user_id, versions=versions, needs=needs, change=change
    )


def patch(
    *,
    project_id: UUID,
    user_id: UUID,
    versions: Versions,
    operations: Sequence[patching.Operation],
) -> Edited:
    """Apply a JSON Patch that `patching.parsed` has let through."""
    return edit(
        project_id=project_id,
        user_id=user_id,
        versions=versions,
        needs=patching.needs_of(operations),
        change=lambda content: patching.apply(content, operations),
    )


def edit(
    *,
    project_id: UUID,
    user_id: UUID,
    versions: Versions,
    needs: Needs,
    change: Callable[[Content], Content],
) -> Edited:
    """Make what ``change`` makes of the content, which it does not mutate."""

    def attempt() -> Edited:
        session = read(project_id=project_id, user_id=user_id, needs=needs)
        _check_version(session.version, versions)
        return write(session, change(session.content))

    return on_the_latest(attempt, versions)


def undo(*, project_id: UUID, user_id: UUID, versions: Versions = None) -> Edited:
    """Take the last edit back."""
    return on_the_latest(lambda: _step(project_id, user_id, versions, "undo"), versions)


def redo(*, project_id: UUID, user_id: UUID, versions: Versions = None) -> Edited:
    """Make the edit again that was undone last."""
    return on_the_latest(lambda: _step(project_id, user_id, versions, "redo"), versions)


def _step(project_id: UUID, user_id: UUID, versions: Versions, which: str) -> Edited:
    stack = f"{which}_stack"
    last = {"version": 1, stack: {"$slice": -1}}
    found = edl.find(project_id=project_id, user_id=user_id, projection=last)
    _check_version(found["version"], versions)
    step = found[stack][0]["edit"] if found[stack] else {}
    if step.get("kind") != CHANGES:
        raise NothingToUndo if which == "undo" else NothingToRedo
    needs = needs_of(step["changes"])
    session = read(project_id=project_id, user_id=user_id, needs=needs)
    if session.version != found["version"]:
        raise edl.StaleEdl(version=session.version)
    after = changing.apply(session.content, step["changes"])
    return write(session, after, history=which)


def _check_version(version: int, versions: Versions) -> None:
    if versions is not None and version not in versions:
        raise edl.StaleEdl(version=version)


def on_the_latest(attempt: Callable[[], Made], versions: Versions = None) -> Made:
    """Try again where somebody else was faster, unless the edit is for a version that is gone."""
    if versions is not None:
        return attempt()
    began = time.thread_time()
    for _ in range(TRIES - 1):
        with contextlib.suppress(edl.StaleEdl):
            return attempt()
        if time.thread_time() - began > MAX_TRYING_SECONDS:
            break
        time.sleep(random.uniform(0, MAX_PAUSE_SECONDS))  # noqa: S311 (only spreads the tries)
    return attempt()
