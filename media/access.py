"""Get users' media, voices and projects; those of other users are reported as not found."""

from typing import TypeVar
from uuid import UUID

from django.apps import apps
from django.db.models import QuerySet

from auteur.core.api.problems import NotFoundProblem, Resource
from media.models import MediaFile, Upload, VoiceClone

Row = TypeVar("Row", bound=Upload)


def list_media(*, user_id: UUID, project_id: UUID | None = None) -> QuerySet[MediaFile]:
    """Return the user's media, or those of one project, except in projects being deleted.

    Raises ``NotFoundProblem`` for another user's project.
    """
    media = MediaFile.objects.filter(user_id=user_id, project__deleted_at=None)
    if project_id is None:
        return media
    check_project(user_id=user_id, project_id=project_id)
    return media.filter(project_id=project_id)


def get_media(
    *, user_id: UUID, media_id: UUID, project_id: UUID | None = None, lock: bool = False
) -> MediaFile:
    """Return one of the user's media files, or raise ``NotFoundProblem``.

    It must be in the given project, or in none that is being deleted. With ``lock``, inside a
    transaction, it cannot be deleted until the transaction ends.
    """
    rows = MediaFile.objects.filter(pk=media_id, user_id=user_id, project__deleted_at=None)
    if project_id is not None:
        rows = rows.filter(project_id=project_id)
    location = "your account" if project_id is None else "this project"
    return _get_row(rows, lock, NotFoundProblem(Resource.MEDIA_FILE, where=location))


def get_voice(*, user_id: UUID, voice_id: UUID, lock: bool = False) -> VoiceClone:
    """Return one of the user's voices, or raise ``NotFoundProblem``; see ``get_media``."""
    return _get_row(
        VoiceClone.objects.filter(pk=voice_id, user_id=user_id),
        lock,
        NotFoundProblem(Resource.VOICE),
    )


def _get_row(rows: QuerySet[Row], lock: bool, problem: NotFoundProblem) -> Row:
    row = (rows.select_for_update(no_key=True, of=("self",)) if lock else rows).first()
    if row is None:
        raise problem
    return row


def check_project(*, user_id: UUID, project_id: UUID, lock: bool = False) -> None:
    """Raise ``NotFoundProblem`` unless the project is the user's.

    With ``lock``, inside a transaction, it cannot be deleted until the transaction ends.
    """
    # The model is looked up by name, because `media` must not import `projects`.
    projects = apps.get_model("projects", "Project")._default_manager
    rows = projects.filter(pk=project_id, user_id=user_id)
    if lock:
        rows = rows.select_for_update(no_key=True)
    if not rows.values_list("pk", flat=True).first():
        raise NotFoundProblem(Resource.PROJECT)
