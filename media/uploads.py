"""Run the flow of all uploads: declared, sent, confirmed, checked, and accepted or rejected.

`media.kinds` defines how files and voices differ, and `media.checking` runs the check.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from auteur.core.api.problems import Problem, field_problem
from gpu_tasks.runtime.errors import InputRefusedError
from media import parts
from media.checking import reject_upload
from media.content_types import parse_base_type
from media.deletion import abort_uploads
from media.kinds import Kind, Row
from media.models import MediaStatus, Upload
from media.parts import PartUpload
from media.problems import FileTooLargeProblem, SizeMismatchProblem, UploadRefusedProblem
from media.quota import StorageQuotaExceededProblem, admit_upload
from media.storage import ObjectMissingError, object_storage
from media.storage.multipart import StoredPart


class UnsupportedMediaTypeProblem(Problem):
    """Raised for a content type that is not accepted. ``accepted`` lists those that are."""

    status_code = 415
    default_code = "unsupported_media_type"
    default_detail = "Files of this content type are not accepted."


class UploadMissingProblem(Problem):
    """Raised if nothing has been uploaded yet. The URL works until it expires."""

    status_code = 422
    default_code = "upload_missing"
    default_detail = (
        "Nothing has been uploaded yet. Send the file to its upload URL, then confirm again."
    )


class EmptyFileProblem(UploadRefusedProblem):
    """Raised if the uploaded file has no bytes."""

    default_code = "empty_file"
    default_detail = "The uploaded file is empty."


class UploadRejectedProblem(Problem):
    """Raised if the file was refused. ``reason`` is the code, and the detail says why."""

    status_code = 409
    default_code = "upload_rejected"
    default_detail = "The uploaded file was refused. Upload another one."


CONFIRM_PROBLEMS = (
    UploadMissingProblem,
    UploadRejectedProblem,
    parts.UploadIncompleteProblem,
    EmptyFileProblem,
    FileTooLargeProblem,
    SizeMismatchProblem,
    StorageQuotaExceededProblem,
)
"""The problems of confirming an upload."""
DECLARE_PROBLEMS = (FileTooLargeProblem, UnsupportedMediaTypeProblem, StorageQuotaExceededProblem)
"""The problems of declaring an upload, except for limits of number."""


@dataclass(frozen=True)
class UploadTarget:
    """The URLs and headers with which the client sends the bytes."""

    id: UUID
    upload_url: str | None
    headers: dict[str, str]
    expires_at: datetime
    part_size_bytes: int | None = None
    parts: list[PartUpload] | None = None
    method: str = "PUT"


def declare_upload(
    kind: Kind[Row], *, user_id: UUID, content_type: str, size_bytes: int | None
) -> Row:
    """Return the unsaved row of a new upload, for ``begin_upload``.

    Raises ``UnsupportedMediaTypeProblem`` and ``FileTooLargeProblem``.
    """
    mime_type = parse_base_type(content_type)
    if mime_type not in kind.content_types:
        formats = ", ".join(sorted(set(kind.content_types.values())))
        raise UnsupportedMediaTypeProblem(
            f"Files of type {mime_type!r} are not accepted. Accepted formats: {formats}.",
            accepted=sorted(kind.content_types),
        )
    if size_bytes is not None and size_bytes > kind.max_bytes():
        raise FileTooLargeProblem(max_bytes=kind.max_bytes())
    row = kind.model(user_id=user_id, mime_type=mime_type, file_size_bytes=size_bytes)
    name = f"{kind.object_name}.{kind.content_types[mime_type]}"
    setattr(row, kind.model.KEY, f"users/{user_id}/{kind.room}/{row.pk}/{name}")
    return row


def begin_upload(
    kind: Kind[Row], row: Row, *, plan: str | None, check: Callable[[], None] = lambda: None
) -> UploadTarget:
    """Save a declared row within the user's quota, and return where to send its bytes.

    Raises ``StorageQuotaExceededProblem``, and what the kind's ``check_count`` and ``check`` raise;
    ``check`` is called in the transaction.
    """
    parts.begin_parts(row)
    try:
        with transaction.atomic():
            check()
            admit_upload(kind, row, plan=plan)
            row.save(force_insert=True)
    except Problem:
        abort_uploads([row])
        raise
    return build_target(row)


def build_target(row: Upload, arrived: Sequence[StoredPart] = ()) -> UploadTarget:
    """Return new URLs for an upload, except for the parts that have arrived."""
    expires_at = timezone.now() + timedelta(seconds=settings.PRESIGNED_URL_SECONDS)
    if row.upload_id:
        addresses = parts.list_part_urls(row, arrived)
        return UploadTarget(row.pk, None, {}, expires_at, row.upload_part_bytes, addresses)
    # The URL works once, so that the object cannot be replaced after its confirmation.
    upload_url = object_storage().presigned_put(
        row.object_key, content_type=row.mime_type, size_bytes=row.file_size_bytes, once=True
    )
    headers = {"Content-Type": row.mime_type, "If-None-Match": "*"}
    return UploadTarget(row.pk, upload_url, headers, expires_at)


def complete_upload(
    kind: Kind[Row], find: Callable[[], Row], check_size: Callable[[int], None] = lambda size: None
) -> Row:
    """Join the parts of an upload and request its check; return the row in its current state.

    ``find`` reads the row; ``check_size`` is called in the transaction that accepts the upload.
    Raises what they raise; ``UploadMissingProblem`` and ``UploadIncompleteProblem`` while bytes are
    missing; a subclass of ``UploadRefusedProblem`` if the size is not allowed, after which the row
    is rejected permanently and its object deleted; ``UploadRejectedProblem`` from then on.
    """
    row = find()
    if row.status == MediaStatus.UPLOADING:
        _request_check(kind, row, check_size)
        row = find()
    if refusal := row.refusal:
        raise UploadRejectedProblem(refusal.detail, reason=refusal.code)
    return row


def _request_check(kind: Kind[Row], row: Row, check_size: Callable[[int], None]) -> None:
    """Request the check of an upload or reject it; do nothing if another confirm was faster."""
    # Every outcome is written with this filter, so the first confirm wins.
    waiting: QuerySet[Row] = kind.model._default_manager.filter(
        pk=row.pk, status=MediaStatus.UPLOADING
    )
    try:
        size_bytes = _join_and_measure(kind, row)
        with transaction.atomic():
            check_size(size_bytes)
            waiting.update(
                status=MediaStatus.CHECKING,
                file_size_bytes=size_bytes,
                check_at=Now(),
                check_tries=0,
                **row.ENDED,
            )
    except UploadRefusedProblem as exc:
        if reject_upload(waiting, row, InputRefusedError(exc.default_code, str(exc.detail))):
            raise
    except Problem:
        if waiting.exists():
            raise


def _join_and_measure(kind: Kind[Row], row: Row) -> int:
    """Join the parts of an upload; return its size in bytes if that is allowed."""
    if row.upload_id:
        parts.join_parts(row)
    try:
        size_bytes = object_storage().head(row.object_key).size_bytes
    except ObjectMissingError as exc:
        raise UploadMissingProblem from exc
    declared = row.file_size_bytes
    if size_bytes == 0:
        raise EmptyFileProblem
    max_bytes = kind.max_unsized_bytes() if declared is None else declared
    if size_bytes > min(kind.max_bytes(), max_bytes):
        raise FileTooLargeProblem
    if declared is not None and size_bytes < declared:
        raise SizeMismatchProblem
    return size_bytes


def check_printable(field: str, text: str) -> str:
    """Return the text of a field, or raise a 400 about it if it has control characters."""
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise field_problem(field, "invalid", "Control characters are not allowed.")
    return text
