"""How much a user may keep: counted from the rows, by plan, and safe against uploads at once."""

from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Sum

from media.models import MediaFile, MediaStatus
from media.problems import Refused


class StorageQuotaExceeded(Refused):
    """There is no room for it: ``used_bytes`` of ``limit_bytes`` are taken."""

    status_code = 403
    default_code = "storage_quota_exceeded"
    default_detail = "Your plan has no room left for this file. Delete media, or change the plan."


def limit_of(plan: str | None) -> int | None:
    """The bytes that a plan allows; None is no limit."""
    by_plan: dict[str, int] = settings.STORAGE_QUOTA_BYTES_BY_PLAN
    limit = by_plan.get(plan or "", settings.STORAGE_QUOTA_BYTES)
    return limit or None


def used_by(user_id: UUID, *, without: UUID | None = None) -> int:
    """The bytes of the user's media, results of jobs among them, and of uploads announced."""
    kept = MediaFile.objects.filter(
        user_id=user_id,
        status__in=[MediaStatus.UPLOADING, MediaStatus.CHECKING, MediaStatus.READY],
    )
    if without is not None:
        kept = kept.exclude(pk=without)
    total = kept.aggregate(total=Sum("file_size_bytes"))["total"]
    return int(total or 0)


def check_room(
    *, user_id: UUID, plan: str | None, adding: int | None, media_id: UUID | None = None
) -> None:
    """Raise ``StorageQuotaExceeded`` unless so many bytes more (at least one) have room.

    Beside all media but ``media_id``. Inside a transaction: until it ends, no other upload of the
    user is counted.
    """
    limit = limit_of(plan)
    if limit is None:
        return
    get_user_model()._default_manager.select_for_update(no_key=True).get(pk=user_id)
    used = used_by(user_id, without=media_id)
    if used + max(1, adding or 0) > limit:
        raise StorageQuotaExceeded(used_bytes=used, limit_bytes=limit)
