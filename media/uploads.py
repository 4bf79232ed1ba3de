"""Uploading: a row and a signed URL, then a check of what really arrived (`media.checking`)."""

import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from auteur.api.problems import Problem, field_problem
from gpu_tasks.runtime.errors import Refusal
from media import parts
from media.access import check_project, owned_media
from media.checking import reject
from media.content_types import ACCEPTED, base_type, told_media_type
from media.deletion import abort_uploads, delete_media
from media.models import MediaFile, MediaStatus
from media.parts import PartUpload
from media.problems import FileTooLarge, Refused, SizeMismatch
from media.quota import admit_upload, check_room
from media.storage import ObjectMissing, object_storage
from media.storage.multipart import StoredPart


class UnsupportedMediaType(Problem):
    """The content type is none that we take."""

    status_code = 415
    default_code = "unsupported_media_type"
    default_detail = "Files of this content type are not taken."


class UploadMissing(Problem):
    """Nothing has been uploaded yet: the URL still works until it expires."""

    status_code = 422
    default_code = "upload_missing"
    default_detail = "Nothing has been uploaded yet."


class UploadOver(Problem):
    """The upload has been confirmed, or refused, or waits for its confirmation alone."""

    status_code = 409
    default_code = "upload_over"
    default_detail = "The upload is over."
    no_parts = "Its parts are joined, or the storage gave them up: confirm it, or begin another."


class EmptyFile(Refused):
    """Zero bytes."""

    default_code = "empty_file"
    default_detail = "The uploaded file is empty."


class UploadRejected(Problem):
    """The file was refused; ``reason`` is the code, and the detail says why."""

    status_code = 409
    default_code = "upload_rejected"
    default_detail = "The uploaded file was refused: upload another one."


@dataclass(frozen=True)
class Upload:
    """Where and how the client sends the bytes."""

    media_id: UUID
    upload_url: str | None
    method: str
    headers: dict[str, str]
    expires_at: datetime
    part_size_bytes: int | None = None
    parts: list[PartUpload] | None = None


def request_upload(
    *,
    user_id: UUID,
    project_id: UUID,
    plan: str | None,
    filename: str,
    content_type: str,
    size_bytes: int | None = None,
) -> Upload:
    """Make the row and the URLs of one upload into the user's project.

    Raises ``NotFound``, ``UnsupportedMediaType``, ``FileTooLarge``, ``TooManyUploads``,
    ``StorageQuotaExceeded``, and a 400 about the file name.
    """
    mime_type = base_type(content_type)
    if mime_type not in ACCEPTED:
        raise UnsupportedMediaType(accepted=sorted(ACCEPTED))
    if size_bytes is not None and size_bytes > settings.MAX_UPLOAD_BYTES:
        raise FileTooLarge(max_bytes=settings.MAX_UPLOAD_BYTES)
    check_project(user_id=user_id, project_id=project_id)
    media_id = uuid.uuid4()
    key = f"users/{user_id}/media/{media_id}/source.{ACCEPTED[mime_type]}"
    media = MediaFile(
        id=media_id,
        user_id=user_id,
        project_id=project_id,
        name=_display_name(filename),
        type=told_media_type(mime_type),
        mime_type=mime_type,
        file_size_bytes=size_bytes,
        r2_key=key,
        # Signed or not, an object has one address.
        r2_url=object_storage().presigned_get(key).partition("?")[0],
    )
    parts.begin(media)
    try:
        with transaction.atomic():
            check_project(user_id=user_id, project_id=project_id, lock=True)
            admit_upload(user_id=user_id, plan=plan, size_bytes=size_bytes)
            media.save(force_insert=True)
    except Problem:
        abort_uploads([media])
        raise
    return _upload(media, arrived=[])


def resume_upload(*, user_id: UUID, project_id: UUID, media_id: UUID) -> Upload:
    """Fresh URLs for what is still to be sent; raises ``NotFound`` and ``UploadOver``."""
    media = owned_media(user_id=user_id, media_id=media_id, project_id=project_id)
    if media.status != MediaStatus.UPLOADING:
        raise UploadOver
    if not media.upload_id:
        return _upload(media, arrived=[])
    try:
        return _upload(media, arrived=parts.stored(media))
    except ObjectMissing as exc:  # as after a confirm that did not come to its end
        raise UploadOver(UploadOver.no_parts) from exc


def abort_upload(*, user_id: UUID, project_id: UUID, media_id: UUID) -> None:
    """Give an upload up, row and bytes; raises ``NotFound`` and ``UploadOver``."""
    with transaction.atomic():
        media = owned_media(user_id=user_id, media_id=media_id, project_id=project_id, lock=True)
        if media.status != MediaStatus.UPLOADING:
            raise UploadOver
        delete_media(user_id=user_id, media_id=media_id)


def _upload(media: MediaFile, *, arrived: Sequence[StoredPart]) -> Upload:
    expires_at = timezone.now() + timedelta(seconds=settings.PRESIGNED_URL_SECONDS)
    if media.upload_id:
        addresses = parts.addresses(media, arrived)
        return Upload(media.pk, None, "PUT", {}, expires_at, media.upload_part_bytes, addresses)
    # Once: what has been confirmed and paid for by its length is not replaced afterwards.
    upload_url = object_storage().presigned_put(
        media.r2_key, content_type=media.mime_type, size_bytes=media.file_size_bytes, once=True
    )
    headers = {"Content-Type": media.mime_type, "If-None-Match": "*"}
    return Upload(media.pk, upload_url, "PUT", headers, expires_at)


def confirm_upload(
    *, user_id: UUID, project_id: UUID, media_id: UUID, plan: str | None
) -> MediaFile:
    """Have what was uploaded checked; confirming again answers how far that is.

    Parts are joined first. Raises ``NotFound``; ``UploadMissing`` and ``UploadIncomplete`` while
    there is something to send; ``Refused`` with its kinds where the size alone forbids it, after
    which the row is rejected for good and its object removed; ``UploadRejected`` from then on.
    """
    media = owned_media(user_id=user_id, media_id=media_id, project_id=project_id)
    if media.status == MediaStatus.UPLOADING:
        _decide(media, plan)
        media = owned_media(user_id=user_id, media_id=media_id, project_id=project_id)
    if media.status == MediaStatus.REJECTED:
        raise UploadRejected(media.metadata.get("detail"), reason=media.metadata.get("rejected"))
    return media


def _decide(media: MediaFile, plan: str | None) -> None:
    """Have it checked, or reject it; without a word where another confirm was faster."""
    try:
        _begin_check(media, plan, _arrived(media))
    except Refused as refused:
        if reject(_waiting(media), media, Refusal(refused.default_code, str(refused.detail))):
            raise
    except Problem:
        if _waiting(media).exists():
            raise


def _display_name(filename: str) -> str:
    # Some clients send a whole path, in the manner of their system.
    name = filename.replace("\\", "/").rpartition("/")[2].strip()
    if name in {"", ".", ".."}:
        raise field_problem("filename", "invalid", "A file name is needed.")
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise field_problem("filename", "invalid", "Control characters are not allowed.")
    return name


def _arrived(media: MediaFile) -> int:
    """How many bytes there are of it."""
    if media.upload_id:
        parts.join(media)
    try:
        size_bytes = object_storage().head(media.r2_key).size_bytes
    except ObjectMissing as exc:
        raise UploadMissing from exc
    _check_size(size_bytes, told=media.file_size_bytes)
    return size_bytes


def _check_size(size_bytes: int, *, told: int | None) -> None:
    if size_bytes == 0:
        raise EmptyFile
    limit = settings.MAX_UNSIZED_UPLOAD_BYTES if told is None else told
    if size_bytes > min(limit, settings.MAX_UPLOAD_BYTES):
        raise FileTooLarge
    if told is not None and size_bytes < told:
        raise SizeMismatch


@transaction.atomic
def _begin_check(media: MediaFile, plan: str | None, size_bytes: int) -> None:
    check_room(user_id=media.user_id, plan=plan, adding=size_bytes, media_id=media.pk)
    _waiting(media).update(
        status=MediaStatus.CHECKING,
        upload_id="",
        upload_part_bytes=None,
        file_size_bytes=size_bytes,
        check_at=Now(),
        check_tries=0,
    )


def _waiting(media: MediaFile) -> QuerySet[MediaFile]:
    # Every outcome is written through this filter, so the first confirm wins.
    return MediaFile.objects.filter(pk=media.pk, status=MediaStatus.UPLOADING)
