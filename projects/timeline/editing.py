"""Edit an EDL: replace it, patch it, apply named operations, undo and redo.

Each edit makes one version or none. An edit that names the version it was made for fails with
``StaleEdlProblem`` on another one; one that does not is made again on the latest.
"""

import dataclasses
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Literal, TypeVar, cast
from uuid import UUID

from pydantic import ValidationError as ShapeError
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError

from auteur.core.api.problems import NotFoundProblem, Problem, Resource
from gpu_tasks.runtime.errors import AuteurError
from projects import edl
from projects.timeline import changes as changing
from projects.timeline import history, patching, rules, sources
from projects.timeline.content import Author, Content, EditError
from projects.timeline.draft import Draft
from projects.timeline.history import Attribution
from projects.timeline.operations import Operation
from projects.timeline.session import (
    Edit,
    EditResult,
    Needs,
    needs_of,
    read_session,
    write_session,
)
from projects.timeline.shape import EdlShape, dump_style
from projects.timeline.text_edits import SegmentEdit

TRIES = 50
MAX_TRYING_SECONDS = 1.0
"""Processor time after which an edit is tried only once more: a large one not fifty times."""
MAX_PAUSE_SECONDS = 0.05

Versions = frozenset[int] | None
"""Those that an edit was made for; None for the latest, whichever it is."""

Result = TypeVar("Result")


class StaleSessionError(AuteurError):
    """What this process had cached of a timeline was old; it is forgotten now."""


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
    """Replace all tracks; replace the transcript and the captions' style if they are given."""
    transcript = document.transcript
    style = dump_style(document.captions_style)
    has_style = "captions_style" in document.model_fields_set
    replacement = Edit(
        needs=Needs(tracks=True, transcript=transcript is not None),
        change=lambda content: Content(
            document.tracks,
            transcript.segments if transcript else content.segments,
            style if has_style else content.captions_style,
        ),
        attribution=Attribution(author, ["replace"]),
    )
    return make_edit(replacement, project_id=project_id, user_id=user_id, versions=versions)


def apply_operations(
    *,
    project_id: UUID,
    user_id: UUID,
    versions: Versions,
    operations: Sequence[Operation],
    author: Author | None = None,
) -> EditResult:
    """Apply named operations in order, all or none."""
    measured = frozenset().union(*(operation.measured_media() for operation in operations))
    lengths = sources.read_lengths(user_id=user_id, media_ids=measured)
    edit = Edit(
        needs=_build_needs(operations),
        change=partial(_build_draft, operations, lengths=lengths, path="operations.{}."),
        attribution=Attribution(author, _list_names(operations)),
    )
    return make_edit(edit, project_id=project_id, user_id=user_id, versions=versions)


def edit_segment(
    *,
    project_id: UUID,
    user_id: UUID,
    versions: Versions,
    segment_id: str,
    segment_edit: SegmentEdit,
    author: Author | None = None,
) -> EditResult:
    """Change one segment of the transcript, and what plays it; raise ``NotFoundProblem``."""
    try:
        operations = segment_edit.operations(segment_id)
    except ShapeError as exc:  # No segment has such an id.
        raise NotFoundProblem(Resource.SEGMENT) from exc

    def change(content: Content) -> Content:
        if not any(segment["id"] == segment_id for segment in content.segments):
            raise NotFoundProblem(Resource.SEGMENT)
        return _build_draft(operations, content).content()

    needs = dataclasses.replace(_build_needs(operations), segment_ids=frozenset([segment_id]))
    edit = Edit(needs, change, Attribution(author, _list_names(operations)))
    return make_edit(edit, project_id=project_id, user_id=user_id, versions=versions)


def _build_needs(operations: Sequence[Operation]) -> Needs:
    return Needs(
        tracks=any(operation.needs_tracks for operation in operations),
        transcript=any(operation.needs_transcript for operation in operations),
        segment_ids=frozenset().union(*(operation.segment_ids() for operation in operations)),
    )


def _list_names(operations: Sequence[Operation]) -> list[str]:
    return list(dict.fromkeys(operation.called for operation in operations))


def _build_draft(
    operations: Sequence[Operation],
    content: Content,
    *,
    lengths: Mapping[str, int | None] = MappingProxyType({}),
    path: str = "",
) -> Draft:
    """Return a draft after the operations; a refusal names the field below its ``path``."""
    draft = Draft(content, lengths)
    for index, operation in enumerate(operations):
        draft.operation = index, operation.called
        try:
            operation.apply(draft)
        except EditError as exc:
            detail = f"{operation.called}: {exc.detail}" if path else exc.detail
            rules.raise_error(path.format(index) + exc.field, exc.code, detail)
    return draft


def patch_edl(
    *,
    project_id: UUID,
    user_id: UUID,
    versions: Versions,
    operations: Sequence[patching.Operation],
    author: Author | None = None,
) -> EditResult:
    """Apply a JSON Patch that `patching.parse_patch` has checked."""
    edit = Edit(
        needs=patching.needs_of(operations),
        change=partial(patching.apply_patch, patch=operations),
        attribution=Attribution(author, ["patch"]),
    )
    return make_edit(edit, project_id=project_id, user_id=user_id, versions=versions)


def undo_edit(*, project_id: UUID, user_id: UUID, versions: Versions = None) -> EditResult:
    """Undo the last edit."""
    return retry_on_conflict(partial(_step, project_id, user_id, versions, "undo"), versions)


def redo_edit(*, project_id: UUID, user_id: UUID, versions: Versions = None) -> EditResult:
    """Redo the edit that was undone last."""
    return retry_on_conflict(partial(_step, project_id, user_id, versions, "redo"), versions)


def _step(
    project_id: UUID, user_id: UUID, versions: Versions, kind: Literal["undo", "redo"]
) -> EditResult:
    version, step = history.find_last_step(project_id=project_id, user_id=user_id, kind=kind)
    _check_version(version, versions)
    if step is None:
        raise NothingToUndoProblem if kind == "undo" else NothingToRedoProblem
    changes, attribution = step["edit"]["changes"], Attribution.of(step)
    edit = Edit(
        needs=needs_of(changes),
        change=partial(changing.apply_changes, changes=changes),
        attribution=attribution,
        kind=kind,
    )
    result = try_edit(edit, project_id=project_id, user_id=user_id, versions=frozenset([version]))
    return dataclasses.replace(result, step=attribution)


def make_edit(
    edit: Edit, *, project_id: UUID, user_id: UUID, versions: Versions = None
) -> EditResult:
    """Make an edit, again if somebody else was faster; see `try_edit`."""
    key = {"project_id": project_id, "user_id": user_id}
    return retry_on_conflict(partial(try_edit, edit, **key, versions=versions), versions)


def try_edit(
    edit: Edit, *, project_id: UUID, user_id: UUID, versions: Versions = None
) -> EditResult:
    """Write what the edit makes of the content; to be called by the retry loop.

    All that changes a timeline or a transcript comes through here. Raise problems, also
    ``StaleEdlProblem``, and ``StaleSessionError``.
    """
    session = read_session(
        project_id=project_id, user_id=user_id, needs=edit.needs, versions=versions
    )
    _check_version(session.version, versions)
    draft = None
    try:
        changed = edit.change(session.content)
        draft, content = (
            (changed, changed.content()) if isinstance(changed, Draft) else (None, changed)
        )
        result = write_session(session, content, edit)
    except APIException as exc:
        if session.find_current() is None:
            session.forget()
            raise StaleSessionError from exc
        if draft is not None and isinstance(exc, ValidationError):
            raise _name_operations(exc, draft, content) from exc
        raise
    if result.version == session.version and session.find_current() is None:
        session.forget()  # Only a write tells that it is old, because it names the version.
        raise StaleSessionError
    return dataclasses.replace(result, removed=draft.removed) if draft is not None else result


_FIELD_OF_CLIP = re.compile(r"tracks\.(\d+)\.clips\.(\d+)\.(\w+)")


def _name_operations(exc: ValidationError, draft: Draft, content: Content) -> ValidationError:
    """Return the refusal of a clip as one of the last operation that concerned the clip."""
    fields: dict[str, list[ErrorDetail]] = {}
    for field, details in cast(dict[str, list[ErrorDetail]], exc.detail).items():
        if match := _FIELD_OF_CLIP.fullmatch(field):
            clip = content.tracks[int(match[1])]["clips"][int(match[2])]
            if clip["id"] in draft.operation_by_clip:
                index, name = draft.operation_by_clip[clip["id"]]
                named = [ErrorDetail(f"{name}: {detail}", detail.code) for detail in details]
                fields.setdefault(f"operations.{index}.{match[3]}", []).extend(named)
                continue
        fields.setdefault(field, []).extend(details)
    return ValidationError(fields)


def _check_version(version: int, versions: Versions) -> None:
    if versions is not None and version not in versions:
        raise edl.StaleEdlProblem(version=version)


def retry_on_conflict(
    attempt: Callable[[], Result],
    versions: Versions = None,
    *,
    seconds: float | None = None,
) -> Result:
    """Try an edit again if somebody else was faster, unless it names the version it was made for.

    Always try again if what this process had cached was old. ``seconds`` of processor time are
    spent at most, by default ``MAX_TRYING_SECONDS``.
    """
    began, limit = time.thread_time(), MAX_TRYING_SECONDS if seconds is None else seconds
    tries, is_last = 0, False
    while True:
        tries += 1
        try:
            return attempt()
        except StaleSessionError:
            continue
        except edl.StaleEdlProblem:
            if versions is not None or is_last:
                raise
        is_last = tries == TRIES - 1 or time.thread_time() - began > limit
        if not is_last:
            time.sleep(random.uniform(0, MAX_PAUSE_SECONDS))  # noqa: S311 (only spreads the tries)
