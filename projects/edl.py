"""The EDL document of a project: made, read, and changed by compare-and-set on its version.

Every query names the project and the user. An edit names the version it saw, raises it by one and
leaves its inverse on the undo stack; the update and its history are one atomic write.
"""

import contextlib
import datetime
import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import bson
from django.utils import timezone
from pymongo.errors import DuplicateKeyError

from auteur.api.problems import OUTAGES, NotFound, Problem
from projects.access import owned_project
from projects.connection import collection
from projects.documents import (
    MAX_STACK_BYTES,
    MAX_UNDO_DEPTH,
    EditDecisionList,
    Resolution,
    Settings,
)
from projects.models import Project

logger = logging.getLogger(__name__)

CONTENT = ("project_id", "version", "created_at", "updated_at", "settings", "tracks", "transcript")


class StaleEdl(Problem):
    """Somebody else changed the EDL since the version that this edit was made for."""

    status_code = 412
    default_code = "stale_edl"
    default_detail = "The EDL has changed since that version. Read it again."


class EdlTooLarge(Problem):
    """The edit would make a part of the EDL larger than its bound."""

    status_code = 413
    default_code = "edl_too_large"
    default_detail = "The EDL would become too large."


def create(project: Project) -> None:
    """Make the project's blank document, unless it has one already."""
    of_row = _settings_of(project)
    now = _now()
    blank = EditDecisionList(
        project_id=str(project.pk),
        user_id=str(project.user_id),
        created_at=now,
        updated_at=now,
        settings=Settings(
            resolution=Resolution(**of_row["resolution"]), frame_rate=of_row["frame_rate"]
        ),
    )
    blank.validate()
    with contextlib.suppress(DuplicateKeyError):
        collection().insert_one(blank.to_mongo().to_dict())
    found = collection().find_one(_key(project.pk, project.user_id), {"_id": 1})
    if found is not None:
        Project.objects.filter(pk=project.pk).update(edl_id=str(found["_id"]))


def read(*, project_id: UUID, user_id: UUID) -> dict[str, Any]:
    """The EDL as clients see it: the two stacks by their depths only."""
    wanted = dict.fromkeys([*CONTENT, "undo_stack.bytes", "redo_stack.bytes"], 1)
    found = find(project_id=project_id, user_id=user_id, projection=wanted)
    depths = {
        "undo_depth": len(found.pop("undo_stack")),
        "redo_depth": len(found.pop("redo_stack")),
    }
    return found | depths


def find(*, project_id: UUID, user_id: UUID, projection: Mapping[str, Any]) -> dict[str, Any]:
    """The named fields of the document, which is made if the project has none yet."""
    wanted = {**projection, "_id": 0}
    found = collection().find_one(_key(project_id, user_id), wanted)
    if found is None:
        create(owned_project(user_id=user_id, project_id=project_id))
        found = collection().find_one(_key(project_id, user_id), wanted)
    if found is None:
        raise NotFound
    return found


def compare_and_set(
    *, project_id: UUID, user_id: UUID, expected_version: int, update: Mapping[str, Any]
) -> int:
    """Make the next version by MongoDB's operators; raises ``StaleEdl`` with the current version.

    The update brings its own history: a user's edit its inverse (`pushed`).
    """
    seen = _key(project_id, user_id) | {"version": expected_version}
    change = {operator: dict(fields) for operator, fields in update.items()}
    change.setdefault("$set", {})["updated_at"] = _now()
    change.setdefault("$inc", {})["version"] = 1
    if not collection().update_one(seen, change).matched_count:
        raise stale(project_id=project_id, user_id=user_id)
    return expected_version + 1


def pushed(sizes: list[int], edit: Mapping[str, Any]) -> dict[str, Any]:
    """What ``$push`` puts on a stack of steps with these sizes; raises ``EdlTooLarge``."""
    size = len(bson.encode(edit))
    if size > MAX_STACK_BYTES:
        raise EdlTooLarge("The edit is too large to be kept for undo.")
    step = {"edit": edit, "bytes": size, "created_at": _now()}
    return {"$each": [step], "$slice": -kept_steps(sizes, size)}


def write_settings(project: Project) -> None:
    """Take resolution and frame rate over from the row: a new version, but nothing to undo."""
    changes = {f"settings.{name}": value for name, value in _settings_of(project).items()}
    change = {"$set": {**changes, "updated_at": _now()}, "$inc": {"version": 1}}
    key = _key(project.pk, project.user_id)
    if not collection().update_one(key, change).matched_count:
        create(project)
        collection().update_one(key, change)  # a reader may have made it from the old row


def delete(*, project_id: UUID, user_id: UUID) -> None:
    """Remove the document; with MongoDB away it stays behind, out of reach without its row."""
    try:
        collection().delete_one(_key(project_id, user_id))
    except OUTAGES as exc:
        logger.warning("EDL of project %s left behind: %s", project_id, type(exc).__name__)


def stale(*, project_id: UUID, user_id: UUID) -> Problem:
    """What to raise where a version that was named is not the current one."""
    current = collection().find_one(_key(project_id, user_id), {"version": 1})
    return NotFound() if current is None else StaleEdl(version=current["version"])


def kept_steps(sizes: list[int], new: int) -> int:
    """How many of the newest steps fit the stack, the new one counted."""
    kept, total = 1, new
    for size in reversed(sizes):
        total += size
        if kept == MAX_UNDO_DEPTH or total > MAX_STACK_BYTES:
            break
        kept += 1
    return kept


def _key(project_id: UUID, user_id: UUID) -> dict[str, Any]:
    return {"project_id": str(project_id), "user_id": str(user_id)}


def _settings_of(project: Project) -> dict[str, Any]:
    width, height = project.resolution.split("x")
    return {
        "resolution": {"width": int(width), "height": int(height)},
        "frame_rate": float(project.frame_rate),
    }


def _now() -> datetime.datetime:
    return timezone.now()
