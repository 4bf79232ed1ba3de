"""Edits of an EDL from outside: replaced, patched, by named operations, undone and redone.

Each makes one version or none. An edit that names the version it was made for fails with
``StaleEdlProblem`` on another one; one that does not is made again on the latest.
"""

import contextlib
import dataclasses
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar, cast
from uuid import UUID

from pydantic import ValidationError as ShapeError
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError

from auteur.core.api.problems import NotFoundProblem, Problem, Resource
from projects import edl
from projects.timeline import changes as changing
from projects.timeline import history, patching, rules, sources
from projects.timeline.content import Author, Content, EditError
from projects.timeline.draft import Draft
from projects.timeline.history import Attribution, Way
from projects.timeline.operations import Operation
from projects.timeline.session import (
    UNTOLD,
    Beside,
    EditResult,
    Needs,
    needs_of,
    read_session,
    write_session,
)
from projects.timeline.shape import EdlShape, stored_style
from projects.timeline.text_edits import SegmentEdit

TRIES = 50
MAX_TRYING_SECONDS = 1.0
"""Of processor time, after which an edit is tried once more: a large one not fifty times."""
MAX_PAUSE_SECONDS = 0.05

Versions = frozenset[int] | None
"""Those that an edit was made for; None for whichever is the latest."""

Made = TypeVar("Made")


class NothingToUndoProblem(Problem):
    """The undo stack is empty."""

    status_code = 409
    default_code = "nothing_to_undo"
    default_detail = "There is no edit to undo."


class NothingToRedoProblem(Problem):
    """The redo stack is empty."""

    status_code = 409
    default_code = "nothing_to_redo"
    default_detail = "There is no edit to redo."


PROBLEMS = (
    edl.TimelineMissingProblem,
    edl.StaleEdlProblem,
    edl.EdlTooLargeProblem,
    edl.TranscriptTooLargeProblem,
    rules.TimelineTooLargeProblem,
)
"""What any edit may be refused with."""


def replace_edl(
    *,
    project_id: UUID,
    user_id: UUID,
    versions: Versions,
    document: EdlShape,
    author: Author | None = None,
) -> EditResult:
    """Put other tracks in the place of all, and transcript and style of captions if given."""
    transcript = document.transcript
    needs = Needs(tracks=True, transcript=transcript is not None)
    tracks = [track.stored() for track in document.tracks]
    segments = [segment.stored() for segment in transcript.segments] if transcript else []
    style = stored_style(document.captions_style)
    gives_style = "captions_style" in document.model_fields_set

    def change(content: Content) -> Content:
        kept = segments if transcript else content.segments
        return Content(tracks, kept, style if gives_style else content.captions_style)

    return edit(
        project_id=project_id,
        user_id=user_id,
        versions=versions,
        needs=needs,
        change=change,
        attribution=Attribution(author, ["replace"]),
    )


def apply_operations(
    *,
    project_id: UUID,
    user_id: UUID,
    versions: Versions,
    operations: Sequence[Operation],
    author: Author | None = None,
) -> EditResult:
    """Make named operations in order, all or none."""
    measured = frozenset().union(*(each.measured() for each in operations))
    lengths = sources.lengths(user_id=user_id, media_ids=measured)
    made: list[tuple[Draft, Content]] = []

    def change(content: Content) -> Content:
        draft = _made(operations, content, "operations.{}.", lengths)
        made[:] = [(draft, draft.content())]
        return made[0][1]

    needs = _needs_of(operations)
    try:
        edited = edit(
            project_id=project_id,
            user_id=user_id,
            versions=versions,
            needs=needs,
            change=change,
            attribution=Attribution(author, _names_of(operations)),
        )
    except ValidationError as exc:
        raise (_by_operation(exc, operations, *made[0]) if made else exc) from exc
    return dataclasses.replace(edited, removed=made[0][0].removed)


_OF_CLIP = re.compile(r"tracks\.(\d+)\.clips\.(\d+)\.(\w+)")


def _by_operation(
    exc: ValidationError, operations: Sequence[Operation], draft: Draft, content: Content
) -> ValidationError:
    """The refusal of a clip, by the field of the operation that was about it last."""
    fields: dict[str, list[ErrorDetail]] = {}
    for field, details in cast(dict[str, list[ErrorDetail]], exc.detail).items():
        name, told = field, details
        if place := _OF_CLIP.fullmatch(field):
            clip = content.tracks[int(place[1])]["clips"][int(place[2])]
            index = draft.named_by.get(clip["id"])
            if index is not None:
                name = f"operations.{index}.{place[3]}"
                told = [ErrorDetail(_told(operations[index], d), d.code) for d in details]
        fields.setdefault(name, []).extend(told)
    return ValidationError(fields)


def _told(operation: Operation, detail: str) -> str:
    return f"{operation.called}: {detail}"


def edit_segment(
    *,
    project_id: UUID,
    user_id: UUID,
    versions: Versions,
    segment_id: str,
    wanted: SegmentEdit,
    author: Author | None = None,
) -> EditResult:
    """Change one segment of the transcript, and what plays it; raises ``NotFoundProblem``."""
    try:
        operations = wanted.operations(segment_id)
    except ShapeError as exc:  # no segment has such an id
        raise NotFoundProblem(Resource.SEGMENT) from exc

    def change(content: Content) -> Content:
        if not any(segment["id"] == segment_id for segment in content.segments):
            raise NotFoundProblem(Resource.SEGMENT)
        return _made(operations, content).content()

    needs = dataclasses.replace(_needs_of(operations), segment_ids=frozenset([segment_id]))
    return edit(
        project_id=project_id,
        user_id=user_id,
        versions=versions,
        needs=needs,
        change=change,
        attribution=Attribution(author, _names_of(operations)),
    )


def _needs_of(operations: Sequence[Operation]) -> Needs:
    return Needs(
        tracks=any(each.needs_tracks for each in operations),
        transcript=any(each.needs_transcript for each in operations),
        segment_ids=frozenset().union(*(each.segments() for each in operations)),
    )


def _names_of(operations: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(each.op for each in operations))


def _made(
    operations: Sequence[Operation],
    content: Content,
    place: str = "",
    lengths: Mapping[str, int | None] = MappingProxyType({}),
) -> Draft:
    """The draft after the operations; a refusal names the field below its ``place``."""
    draft = Draft(content, lengths)
    for index, operation in enumerate(operations):
        draft.operation = index
        try:
            operation.apply(draft)
        except EditError as exc:
            detail = _told(operation, exc.detail) if place else exc.detail
            rules.raise_error(place.format(index) + exc.field, exc.code, detail)
    return draft


def patch_edl(
    *,
    project_id: UUID,
    user_id: UUID,
    versions: Versions,
    operations: Sequence[patching.Operation],
    author: Author | None = None,
) -> EditResult:
    """Apply a JSON Patch that `patching.parse_patch` has let through."""
    return edit(
        project_id=project_id,
        user_id=user_id,
        versions=versions,
        needs=patching.needs_of(operations),
        change=lambda content: patching.apply_patch(content, operations),
        attribution=Attribution(author, ["patch"]),
    )


def edit(
    *,
    project_id: UUID,
    user_id: UUID,
    versions: Versions = None,
    needs: Needs,
    change: Callable[[Content], Content],
    way: Way | Beside = "edit",
    attribution: Attribution = UNTOLD,
) -> EditResult:
    """Make what ``change`` makes of the content, which it does not mutate.

    All that changes a timeline or a transcript comes through here.
    """

    def attempt() -> EditResult:
        while True:  # a function that named itself would hold the film until it was collected
            session = read_session(
                project_id=project_id, user_id=user_id, needs=needs, versions=versions
            )
            _check_version(session.version, versions)
            try:
                edited = write_session(
                    session, change(session.content), way=way, attribution=attribution
                )
            except APIException:
                if session.confirmed():
                    raise
            else:
                if edited.version != session.version or session.confirmed():
                    return edited
            session.forget()  # it was kept, and is old: only a write, which names it, could tell so

    return retry_on_conflict(attempt, versions)


def undo_edit(*, project_id: UUID, user_id: UUID, versions: Versions = None) -> EditResult:
    """Take the last edit back."""
    return retry_on_conflict(lambda: _step(project_id, user_id, versions, "undo"), versions)


def redo_edit(*, project_id: UUID, user_id: UUID, versions: Versions = None) -> EditResult:
    """Make the edit again that was undone last."""
    return retry_on_conflict(lambda: _step(project_id, user_id, versions, "redo"), versions)


def _step(project_id: UUID, user_id: UUID, versions: Versions, way: Way) -> EditResult:
    version, step = history.last_step(project_id=project_id, user_id=user_id, way=way)
    _check_version(version, versions)
    if step is None:
        raise NothingToUndoProblem if way == "undo" else NothingToRedoProblem
    changes, attribution = step["edit"]["changes"], Attribution.of(step)
    edited = edit(
        project_id=project_id,
        user_id=user_id,
        versions=frozenset([version]),
        needs=needs_of(changes),
        change=lambda content: changing.apply_changes(content, changes),
        way=way,
        attribution=attribution,
    )
    return dataclasses.replace(edited, step=attribution)


def _check_version(version: int, versions: Versions) -> None:
    if versions is not None and version not in versions:
        raise edl.StaleEdlProblem(version=version)


def retry_on_conflict(
    attempt: Callable[[], Made],
    versions: Versions = None,
    *,
    seconds: float | None = None,
) -> Made:
    """Try again where somebody else was faster, unless the edit is for a version that is gone."""
    if versions is not None:
        return attempt()
    began, most = time.thread_time(), MAX_TRYING_SECONDS if seconds is None else seconds
    for _ in range(TRIES - 1):
        with contextlib.suppress(edl.StaleEdlProblem):
            return attempt()
        if time.thread_time() - began > most:
            break
        time.sleep(random.uniform(0, MAX_PAUSE_SECONDS))  # noqa: S311 (only spreads the tries)
    return attempt()
