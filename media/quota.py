"""How much a user may keep: counted from the rows, by plan, and safe against uploads at once.

Counted are media files, results of jobs among them, and voice samples, each by its size; an upload
without one by the most that it may become. What we make of them ourselves (pictures, waveforms,
transcripts, stretches of renders) is not: it is bounded by what it is made of.
"""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Count, Q, QuerySet, Sum

from auteur.api.problems import Problem
from media.models import MediaFile, MediaStatus, VoiceClone
from media.problems import Refused


class StorageQuotaExceeded(Refused):
    """There is no room for it: ``used_bytes`` of ``limit_bytes`` are taken."""

    status_code = 403
    default_code = "storage_quota_exceeded"
    default_detail = "Your plan has no room left for this file. Delete media, or change the plan."


class TooManyUploads(Problem):
    """One must be confirmed or given up before another begins."""

    status_code = 409
    default_code = "too_many_uploads"
    default_detail = (
        "You have as many uploads open as one user may have: confirm some, or give them up."
    )


def limit_of(plan: str | None) -> int | None:
    """The bytes that a plan allows; None is no limit."""
    by_plan: dict[str, int] = settings.STORAGE_QUOTA_BYTES_BY_PLAN
    limit = by_plan.get(plan or "", settings.STORAGE_QUOTA_BYTES)
    return limit or None


def used_by(user_id: UUID, *, without: UUID | None = None) -> int:
    """The bytes of the user's media (but for one file) and voices, as they are or may become."""
    media = MediaFile.objects.filter(user_id=user_id)
    if without is not None:
        media = media.exclude(pk=without)
    voices = VoiceClone.objects.filter(user_id=user_id)
    return _bytes_of(media, unsized=settings.MAX_UNSIZED_UPLOAD_BYTES) + _bytes_of(
        voices, unsized=settings.MAX_VOICE_SAMPLE_BYTES
    )


def _bytes_of(rows: QuerySet[Any], *, unsized: int) -> int:
    open_ended = Q(file_size_bytes=None) & ~Q(status=MediaStatus.READY)
    found = rows.exclude(status=MediaStatus.REJECTED).aggregate(
        told=Sum("file_size_bytes", default=0), unsized=Count("pk", filter=open_ended)
    )
    return int(found["told"]) + int(found["unsized"]) * unsized


def admit_upload(*, user_id: UUID, plan: str | None, size_bytes: int | None) -> None:
    """Raise ``TooManyUploads`` or ``StorageQuotaExceeded`` unless another upload may begin.

    Inside a transaction, as ``check_room``.
    """
    _hold(user_id)
    open_uploads = MediaFile.objects.filter(user_id=user_id, status=MediaStatus.UPLOADING)
    if open_uploads.count() >= settings.MAX_OPEN_UPLOADS:
        raise TooManyUploads(max_open_uploads=settings.MAX_OPEN_UPLOADS)
    adding = settings.MAX_UNSIZED_UPLOAD_BYTES if size_bytes is None else size_bytes
    check_room(user_id=user_id, plan=plan, adding=adding)


def check_room(
    *, user_id: UUID, plan: str | None, adding: int, media_id: UUID | None = None
) -> None:
    """Raise ``StorageQuotaExceeded`` unless so many bytes more (at least one) have room.

    Beside all but the media file ``media_id``. Inside a transaction: until it ends, no other upload
    of the user is counted.
    """
    limit = limit_of(plan)
    if limit is None:
        return
    _hold(user_id)
    used = used_by(user_id, without=media_id)
    if used + max(1, adding) > limit:
        raise StorageQuotaExceeded(used_bytes=used, limit_bytes=limit)


def _hold(user_id: UUID) -> None:
    get_user_model()._default_manager.select_for_update(no_key=True).get(pk=user_id)
