"""A project goes with all that is in it: first its open work, then media, row and EDL.

It is nobody's as soon as it is marked. What is in it goes a page at a time: what a request has no
time for, an orchestrator goes on with (docs/decisions/0047).
"""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from auteur.api.problems import DATABASE_OUTAGES
from media.deletion import delete_project_media
from media.models import MediaFile
from projects import edl
from projects.access import get_project
from projects.models import Project
from projects.timeline import session

logger = logging.getLogger(__name__)

REQUEST_SECONDS = 5.0
"""How long a request goes on, but for one step."""
TURN_SECONDS = 20.0
"""How long an orchestrator does, in one round of its sweeping."""
PROJECTS_AT_ONCE = 1000
"""Looked at in one such round."""
LEFT_AFTER = timedelta(minutes=1)
"""Since a project was marked: its request has ended by then."""

TRIES = 10

Hook = Callable[[Project], Iterator[object]]
_before_delete: list[Hook] = []


def register_before_delete(hook: Hook) -> None:
    """Have ``hook(project)`` end what a room above has in it, step by step, before it is deleted.

    It runs in transactions of its own, and again where the deletion is tried again.
    """
    if hook not in _before_delete:
        _before_delete.append(hook)


def delete_project(*, user_id: UUID, project_id: UUID) -> None:
    """Delete the user's project, its media and its EDL; its open jobs are cancelled.

    It is deleted once it is marked: what fails after that, an orchestrator does again.
    """
    with transaction.atomic():
        project = get_project(user_id=user_id, project_id=project_id, lock=True)
        Project.objects.filter(pk=project_id).update(deleted_at=Now())
    session.KEPT.forget((project_id, user_id))
    _try_to_go_on(project, time.monotonic() + REQUEST_SECONDS)


def continue_deletions() -> int:
    """Go on with projects that are marked; returns how many are gone.

    One that cannot be deleted now keeps none of the others.
    """
    end = time.monotonic() + TURN_SECONDS
    left = Project.with_deleted.filter(deleted_at__lte=Now() - LEFT_AFTER).order_by("deleted_at")
    gone = 0
    for project in left[:PROJECTS_AT_ONCE]:
        if time.monotonic() >= end:
            break
        gone += _try_to_go_on(project, end)
    return gone


def _try_to_go_on(project: Project, end: float) -> bool:
    try:
        return _go_on_with(project, end)
    except DATABASE_OUTAGES:
        raise
    except Exception:
        logger.exception("project %s is not deleted yet", project.pk)
        return False


def _go_on_with(project: Project, end: float) -> bool:
    """Whether it is gone by then."""
    return all(time.monotonic() < end for _ in steps(project))


def steps(project: Project) -> Iterator[object]:
    """What is left to do of a project that is marked, a short transaction at a time.

    Raises ``IntegrityError`` where each time something comes in between.
    """
    for tries_left in reversed(range(TRIES)):
        for hook in _before_delete:
            yield from hook(project)
        while removed := delete_project_media(project_id=project.pk):
            yield removed
        try:
            _delete_row(project.pk)
            break
        except IntegrityError:  # something came in between
            if not tries_left:
                raise
            yield project
    edl.delete_document(project_id=project.pk, user_id=project.user_id)


@transaction.atomic
def _delete_row(project_id: UUID) -> None:
    _, deleted = Project.with_deleted.filter(pk=project_id).delete()
    if deleted.get(MediaFile._meta.label):
        raise IntegrityError("Media came in after the project's were deleted with their objects.")
