"""Ownership of media, voices and projects: those of other users are reported as not found."""

from typing import TypeVar
from uuid import UUID

from django.apps import apps
from django.db.models import QuerySet

from auteur.api.problems import NotFoundProblem, Resource
from media.models import MediaFile, Upload, VoiceClone

Row = TypeVar("Row", bound=Upload)


def list_media(*, user_id: UUID, project_id: UUID | None = None) -> QuerySet[MediaFile]:
    """The user's media, or those of one project; none of a project that is being deleted.

    Raises ``NotFoundProblem`` for another's project.
    """
    found = MediaFile.objects.filter(user_id=user_id, project__deleted_at=None)
    if project_id is None:
        return found
    check_project(user_id=user_id, project_id=project_id)
    return found.filter(project_id=project_id)


def get_media(
    *, user_id: UUID, media_id: UUID, project_id: UUID | None = None, lock: bool = False
) -> MediaFile:
    """One of the user's media files, in any project that is not being deleted or in the named one.

    Raises ``NotFoundProblem``.

    With ``lock``, inside a transaction, it cannot be deleted until the transaction ends.
    """
    found = MediaFile.objects.filter(pk=media_id, user_id=user_id, project__deleted_at=None)
    if project_id is not None:
        found = found.filter(project_id=project_id)
    where = "your account" if project_id is None else "this project"
    return _one(found, lock, NotFoundProblem(Resource.MEDIA_FILE, where=where))


def get_voice(*, user_id: UUID, voice_id: UUID, lock: bool = False) -> VoiceClone:
    """One of the user's voices; raises ``NotFoundProblem``. ``lock`` as for media."""
    return _one(
        VoiceClone.objects.filter(pk=voice_id, user_id=user_id),
        lock,
        NotFoundProblem(Resource.VOICE),
    )


def _one(rows: QuerySet[Row], lock: bool, problem: NotFoundProblem) -> Row:
    row = (rows.select_for_update(no_key=True, of=("self",)) if lock else rows).first()
    if row is None:
        raise problem
    return row


def check_project(*, user_id: UUID, project_id: UUID, lock: bool = False) -> None:
    """Raise ``NotFoundProblem`` unless the project is the user's.

    With ``lock``, inside a transaction, it cannot be deleted until the transaction ends.
    """
    # By name: projects stand above media in the order of imports.
    projects = apps.get_model("projects", "Project")._default_manager
    found = projects.filter(pk=project_id, user_id=user_id)
    if lock:
        found = found.select_for_update(no_key=True)
    if not found.values_list("pk", flat=True).first():
        raise NotFoundProblem(Resource.PROJECT)
