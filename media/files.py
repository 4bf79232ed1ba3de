"""Upload media files into projects (`media.uploads`)."""

from uuid import UUID

from django.db import transaction

from auteur.core.api.problems import Problem, field_problem
from media import parts
from media.access import check_project, get_media
from media.content_types import get_media_type
from media.deletion import delete_media
from media.kinds import FILES
from media.models import MediaFile, MediaImport, MediaStatus
from media.quota import check_quota
from media.storage import ObjectMissingError, object_storage
from media.uploads import (
    UploadTarget,
    begin_upload,
    build_target,
    check_printable,
    complete_upload,
    declare_upload,
)


class UploadOverProblem(Problem):
    """Raised if an upload is over: confirmed, refused, or complete except for its confirmation."""

    status_code = 409
    default_code = "upload_over"
    default_detail = "The upload was already confirmed or refused. Nothing more can be sent."
    fetched = "The file is imported from its URL. There is nothing to send."
    no_parts = (
        "The parts of the upload are joined already, or the storage has deleted them. Confirm the "
        "upload, or begin another."
    )


def request_upload(
    *,
    user_id: UUID,
    project_id: UUID,
    plan: str | None,
    filename: str,
    content_type: str,
    size_bytes: int | None = None,
) -> UploadTarget:
    """Create the row and the URLs of one upload into the user's project.

    Raises ``NotFoundProblem``, a 400 about the file name, and what ``declare_upload`` and
    ``begin_upload`` raise.
    """
    media = declare_upload(FILES, user_id=user_id, content_type=content_type, size_bytes=size_bytes)
    check_project(user_id=user_id, project_id=project_id)
    media.project_id = project_id
    media.name = parse_display_name(filename)
    media.type = get_media_type(media.mime_type)
    # Store the URL without the signature, which expires.
    media.r2_url = object_storage().presigned_get(media.r2_key).partition("?")[0]
    return begin_upload(
        FILES,
        media,
        plan=plan,
        check=lambda: check_project(user_id=user_id, project_id=project_id, lock=True),
    )


def resume_upload(*, user_id: UUID, project_id: UUID, media_id: UUID) -> UploadTarget:
    """Return new URLs for the bytes that are still to be sent.

    Raises ``NotFoundProblem`` and ``UploadOverProblem``.
    """
    media = _get_open_upload(user_id, project_id, media_id)
    if is_import(media_id):
        raise UploadOverProblem(UploadOverProblem.fetched)
    try:
        return build_target(media, parts.list_stored_parts(media) if media.upload_id else ())
    except ObjectMissingError as exc:  # For example after an interrupted confirm.
        raise UploadOverProblem(UploadOverProblem.no_parts) from exc


@transaction.atomic
def abort_upload(*, user_id: UUID, project_id: UUID, media_id: UUID) -> None:
    """Abort an upload and delete its row; raises ``NotFoundProblem``, ``UploadOverProblem``."""
    _get_open_upload(user_id, project_id, media_id, lock=True)
    delete_media(user_id=user_id, media_id=media_id)


def confirm_upload(
    *, user_id: UUID, project_id: UUID, media_id: UUID, plan: str | None
) -> MediaFile:
    """Confirm an upload like ``complete_upload``; an open import is returned unchanged.

    The worker of an import confirms it. Also raises ``NotFoundProblem`` and
    ``StorageQuotaExceededProblem``.
    """
    media = get_media(user_id=user_id, media_id=media_id, project_id=project_id)
    if media.status == MediaStatus.UPLOADING and is_import(media_id):
        return media
    return confirm_file(media, plan=plan)


def confirm_file(media: MediaFile, *, plan: str | None) -> MediaFile:
    """Confirm a media file like ``confirm_upload``, also for imports."""
    return complete_upload(
        FILES,
        lambda: get_media(user_id=media.user_id, media_id=media.pk),
        lambda size: check_quota(user_id=media.user_id, plan=plan, adding=size, without=media.pk),
    )


def is_import(media_id: UUID) -> bool:
    """Return True if the media file is or was imported by URL."""
    return MediaImport.objects.filter(pk=media_id).exists()


def _get_open_upload(
    user_id: UUID, project_id: UUID, media_id: UUID, *, lock: bool = False
) -> MediaFile:
    media = get_media(user_id=user_id, media_id=media_id, project_id=project_id, lock=lock)
    if media.status != MediaStatus.UPLOADING:
        raise UploadOverProblem
    return media


def parse_display_name(filename: str) -> str:
    """Return the user's file name without folders; raises a 400 about ``filename``."""
    # Some clients send a full path, with the separators of their system.
    name = filename.replace("\\", "/").rpartition("/")[2].strip()
    if name in {"", ".", ".."}:
        raise field_problem("filename", "invalid", "Send a file name that is not empty.")
    return check_printable("filename", name)
