"""Create and read the EDL document of a project, and update it by compare-and-set on its version.

Every query names the project and the user. An edit names the version it has read, increments it and
pushes its inverse to the undo stack; the update and its history are one atomic write.
"""

import contextlib
import logging
import math
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, cast
from uuid import UUID

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from django.db.models import Q
from django.utils import timezone
from mongoengine.errors import NotUniqueError

from auteur.core.api.problems import (
    OUTAGES,
    NotFoundProblem,
    Problem,
    Resource,
    UnavailableProblem,
)
from projects.access import get_project
from projects.connection import collection
from projects.documents import EditDecisionList
from projects.models import Project
from projects.timeline.content import Document, duration_of

logger = logging.getLogger(__name__)

REPORT_SECONDS = 600.0
"""The time between two reports of one process that the same timeline is missing."""
MAX_REPORTED = 1000
"""Missing timelines that a process remembers to have reported."""
_reported: dict[UUID, float] = {}

_RAW: Final[Any] = CodecOptions(document_class=RawBSONDocument)

CONTENT = (
    "project_id",
    "version",
    "created_at",
    "updated_at",
    "settings",
    "tracks",
    "transcript",
    "captions_style",
)


class StaleEdlProblem(Problem):
    """Raised if the EDL has changed since the version that the edit was made for."""

    status_code = 412
    default_code = "stale_edl"
    default_detail = "The EDL has changed since that version. Read it again and repeat the edit."


class EdlTooLargeProblem(Problem):
    """Raised if an edit would make a part of the EDL larger than its bound."""

    status_code = 413
    default_code = "edl_too_large"
    default_detail = "The EDL would become too large. Remove tracks, clips or effects first."


class TranscriptTooLargeProblem(EdlTooLargeProblem):
    """Raised if the transcript would become larger than its bound. Nothing was changed."""

    default_code = "transcript_too_large"
    default_detail = "The project's transcript would become too large."


class TimelineMissingProblem(UnavailableProblem):
    """Raised if the timeline of a project is lost in MongoDB, which is our fault."""

    default_code = "timeline_missing"
    default_detail = (
        "The project's timeline cannot be found. Nothing was overwritten. Send the id of the "
        "project to our support."
    )
    headers: ClassVar[dict[str, str]] = {}  # A retry does not help, so there is no `Retry-After`.


Update = dict[str, dict[str, Any]]
"""Operators of MongoDB, each with its fields and their arguments."""


def create_document(project: Project, **content: Any) -> None:
    """Create the project's document, blank except for ``content``, unless there is one."""
    now = timezone.now()
    document = EditDecisionList(
        project_id=str(project.pk),
        user_id=str(project.user_id),
        created_at=now,
        updated_at=now,
        settings={**_get_settings(project), "duration_ms": duration_of(content.get("tracks", ()))},
        **content,
    )
    with contextlib.suppress(NotUniqueError):
        document.save(force_insert=True)
    row = collection().find_one(_build_selector(project.pk, project.user_id), {"version": 1})
    if row is not None:
        Project.objects.filter(pk=project.pk).update(edl_id=str(row["_id"]))
        note_version(project.pk, row["version"])


def create_first_document(project: Project) -> None:
    """Create the blank document of a project that never had one.

    Raises ``TimelineMissingProblem`` if it had one: a lost document is not overwritten.
    """
    if project.had_timeline:
        if (
            collection().find_one(_build_selector(project.pk, project.user_id), {"_id": 1})
            is not None
        ):
            return  # A concurrent request has created it.
        _report_missing(project.pk)
        raise TimelineMissingProblem
    create_document(project)


def _report_missing(project_id: UUID) -> None:
    """Log the loss, but not for every request of a client or job that waits for the timeline."""
    now_seconds = time.monotonic()
    if now_seconds - _reported.get(project_id, -math.inf) < REPORT_SECONDS:
        return
    if len(_reported) >= MAX_REPORTED:
        _reported.clear()
    _reported[project_id] = now_seconds
    logger.error(
        "project %s: its timeline is missing in MongoDB, nothing was written: run edl_verify",
        project_id,
    )


def note_version(project_id: UUID, version: int) -> None:
    """Note in PostgreSQL that the document has reached this version."""
    is_behind = Q(edl_version=None) | Q(edl_version__lt=version)
    Project.objects.filter(is_behind, pk=project_id).update(edl_version=version)


def read_edl(*, project_id: UUID, user_id: UUID) -> dict[str, Any]:
    """Return the EDL in its public form, with only the depths of the two stacks."""
    fields = dict.fromkeys([*CONTENT, "undo_stack.bytes", "redo_stack.bytes"], 1)
    document = find_document(project_id=project_id, user_id=user_id, fields=fields)
    depths = {
        "undo_depth": len(document.pop("undo_stack")),
        "redo_depth": len(document.pop("redo_stack")),
    }
    return {"captions_style": None, **document, **depths}


def get_version(*, project_id: UUID, user_id: UUID) -> int:
    """Return the version that `read_edl` would return, without reading the document."""
    return find_document(project_id=project_id, user_id=user_id, fields={"version": 1})["version"]


def find_document(*, project_id: UUID, user_id: UUID, fields: Mapping[str, Any]) -> Document:
    """Return a projection of the document, which is created if the project never had one.

    Raises ``TimelineMissingProblem`` and ``NotFoundProblem``.
    """
    return find_document_with_size(project_id=project_id, user_id=user_id, fields=fields)[0]


def find_document_with_size(
    *, project_id: UUID, user_id: UUID, fields: Mapping[str, Any]
) -> tuple[Document, int]:
    """Return the same as `find_document`, with its size in bytes of BSON."""
    selector = _build_selector(project_id, user_id)
    result = _find_one(selector, fields)
    if result is None:
        create_first_document(get_project(user_id=user_id, project_id=project_id))
        result = _find_one(selector, fields)
    if result is None:
        raise NotFoundProblem(Resource.PROJECT)
    return result


def find_version(
    *,
    project_id: UUID,
    user_id: UUID,
    version: int,
    made_at: datetime,
    fields: Mapping[str, Any],
) -> tuple[Document, int] | None:
    """Return the same as `find_document_with_size` if the version is still current, else None."""
    return _find_one(
        _build_selector(project_id, user_id, version=version, updated_at=made_at), fields
    )


def _find_one(
    selector: Mapping[str, Any], fields: Mapping[str, Any]
) -> tuple[Document, int] | None:
    edls = collection()
    options: Any = edls.codec_options
    raw: Any = edls.with_options(_RAW).find_one(selector, {**fields, "_id": 0})
    return raw and (cast(Document, bson.decode(raw.raw, options)), len(raw.raw))


def now() -> datetime:
    """Return the current time, truncated to milliseconds as MongoDB stores it."""
    moment = timezone.now()
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def compare_and_set(
    *,
    project_id: UUID,
    user_id: UUID,
    expected_version: int,
    made_at: datetime | None = None,
    update: Update,
    at: datetime | None = None,
) -> int:
    """Create the next version with an update; raise ``StaleEdlProblem`` with the current version.

    The update includes its history: a user's edit pushes its inverse. ``made_at`` is the time of
    the expected version, because after a restore another version may have its number. ``at`` is the
    time of the new version, by default now.
    """
    time_condition = {} if made_at is None else {"updated_at": made_at}
    selector = _build_selector(project_id, user_id, version=expected_version, **time_condition)
    if not _make_version(selector, update, at):
        raise build_stale_problem(project_id=project_id, user_id=user_id)
    return expected_version + 1


def write_settings(project: Project) -> None:
    """Copy resolution and frame rate from the row, as a new version that cannot be undone.

    Raises ``TimelineMissingProblem``.
    """
    changes = {f"settings.{name}": value for name, value in _get_settings(project).items()}
    selector = _build_selector(project.pk, project.user_id)
    if not _make_version(selector, {"$set": changes}):
        create_first_document(project)
        _make_version(selector, {"$set": changes})  # A reader may have created it from the old row.


def delete_document(*, project_id: UUID, user_id: UUID) -> None:
    """Delete the document; in an outage of MongoDB it remains, out of reach without its row."""
    try:
        collection().delete_one(_build_selector(project_id, user_id))
    except OUTAGES as exc:
        logger.warning("EDL of project %s left behind: %s", project_id, type(exc).__name__)


def build_stale_problem(*, project_id: UUID, user_id: UUID) -> Problem:
    """Return the problem to raise if the expected version is not the current version."""
    current = collection().find_one(_build_selector(project_id, user_id), {"version": 1})
    if current is None:
        return NotFoundProblem(Resource.PROJECT)
    return StaleEdlProblem(version=current["version"])


def _build_selector(project_id: UUID, user_id: UUID, **conditions: Any) -> dict[str, Any]:
    return {"project_id": str(project_id), "user_id": str(user_id), **conditions}


def _make_version(selector: Mapping[str, Any], update: Update, at: datetime | None = None) -> bool:
    """Update the selected document atomically; return False if there is none."""
    change = {operator: dict(fields) for operator, fields in update.items()}
    change.setdefault("$set", {})["updated_at"] = now() if at is None else at
    change.setdefault("$inc", {})["version"] = 1
    return bool(collection().update_one(selector, change).matched_count)


def _get_settings(project: Project) -> dict[str, Any]:
    width, height = project.resolution.split("x")
    return {
        "resolution": {"width": int(width), "height": int(height)},
        "frame_rate": float(project.frame_rate),
    }
