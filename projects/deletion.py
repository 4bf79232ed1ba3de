"""A project goes with all that is in it: first its open work, then media, row and EDL."""

from collections.abc import Callable
from uuid import UUID

from django.db import IntegrityError, transaction

from media.deletion import delete_project_media
from media.models import MediaFile
from projects import edl
from projects.access import owned_project

_before_delete: list[Callable[[UUID], object]] = []


def register_before_delete(hook: Callable[[UUID], object]) -> None:
    """Have ``hook(project_id)`` end what a room above has going, before a project is deleted.

    It runs in transactions of its own, and again where the deletion is tried again.
    """
    if hook not in _before_delete:
        _before_delete.append(hook)


def delete(*, user_id: UUID, project_id: UUID) -> None:
    """Delete the user's project, its media and its EDL; its open jobs are cancelled."""
    try:
        _delete_once(user_id, project_id)
    except IntegrityError:  # something came in between
        _delete_once(user_id, project_id)
    edl.delete(project_id=project_id, user_id=user_id)


def _delete_once(user_id: UUID, project_id: UUID) -> None:
    owned_project(user_id=user_id, project_id=project_id)
    for hook in _before_delete:
        hook(project_id)
    with transaction.atomic():
        project = owned_project(user_id=user_id, project_id=project_id, lock=True)
        delete_project_media(project_id=project_id)
        _, deleted = project.delete()
        if deleted.get(MediaFile._meta.label):
            raise IntegrityError(
                "Media came in after the project's were deleted with their objects."
            )
