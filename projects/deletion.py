"""Delete projects with their contents: first open work, then media, row and EDL.

A project is out of reach as soon as it is marked. Its contents are deleted a page at a time; an
orchestrator continues what a request has no time for (docs/decisions/0047).
"""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from auteur.core.api.problems import DATABASE_OUTAGES
from media.deletion import delete_project_media
from media.models import MediaFile
from projects import edl
from projects.access import get_project
from projects.models import Project
from projects.timeline import session

logger = logging.getLogger(__name__)

REQUEST_SECONDS = 5.0
"""How long a request deletes contents, except for the step in progress."""
TURN_SECONDS = 20.0
"""How long an orchestrator deletes contents in one round of its sweeps."""
PROJECTS_AT_ONCE = 1000
"""Projects of one such round."""
LEFT_AFTER = timedelta(minutes=1)
"""After this time since a project was marked, its request has ended."""

TRIES = 10

Hook = Callable[[Project], Iterator[object]]
_before_delete: list[Hook] = []


def register_before_delete(hook: Hook) -> None:
    """Register a hook with which an upper layer ends its work in a project before the deletion.

    ``hook(project)`` runs step by step in its own transactions, and again in each new try.
    """
    if hook not in _before_delete:
        _before_delete.append(hook)


def delete_project(*, user_id: UUID, project_id: UUID) -> None:
    """Delete the user's project, its media and its EDL; its open jobs are cancelled.

    It counts as deleted once it is marked: an orchestrator repeats what fails after that.
    """
    with transaction.atomic():
        project = get_project(user_id=user_id, project_id=project_id, lock=True)
        Project.objects.filter(pk=project_id).update(deleted_at=Now())
    session.SESSIONS.forget((project_id, user_id))
    _try_to_continue(project, time.monotonic() + REQUEST_SECONDS)


def continue_deletions() -> int:
    """Continue with projects that are marked; return how many were deleted.

    A project that cannot be deleted does not block the others.
    """
    end = time.monotonic() + TURN_SECONDS
    pending = Project.with_deleted.filter(deleted_at__lte=Now() - LEFT_AFTER).order_by("deleted_at")
    deleted_count = 0
    for project in pending[:PROJECTS_AT_ONCE]:
        if time.monotonic() >= end:
            break
        deleted_count += _try_to_continue(project, end)
    return deleted_count


def _try_to_continue(project: Project, end: float) -> bool:
    """Return True if the project is deleted before ``end``."""
    try:
        return all(time.monotonic() < end for _ in steps(project))
    except DATABASE_OUTAGES:
        raise
    except Exception:
        logger.exception("project %s is not deleted yet", project.pk)
        return False


def steps(project: Project) -> Iterator[object]:
    """Delete the contents of a marked project; yield after each short transaction.

    Raises ``IntegrityError`` if concurrent writes interfere with every try.
    """
    for remaining_tries in reversed(range(TRIES)):
        for hook in _before_delete:
            yield from hook(project)
        while deleted_count := delete_project_media(project_id=project.pk):
            yield deleted_count
        try:
            _delete_row(project.pk)
            break
        except IntegrityError:  # A concurrent write has added something to the project.
            if not remaining_tries:
                raise
            yield project
    edl.delete_document(project_id=project.pk, user_id=project.user_id)


@transaction.atomic
def _delete_row(project_id: UUID) -> None:
    _, deleted_counts = Project.with_deleted.filter(pk=project_id).delete()
    if deleted_counts.get(MediaFile._meta.label):
        raise IntegrityError("Media came in after the project's were deleted with their objects.")
