"""Enforce how many bytes a user may store, by plan; safe against simultaneous uploads.

Media files (also results of jobs) and voice samples count with their sizes; an upload of undeclared
size counts with its limit. Data derived from them (pictures, waveforms, transcripts, render
segments) does not count, because the size of the source bounds it.
"""

from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Count, Q, Sum

from media.kinds import KINDS, Kind
from media.models import MediaStatus, Upload
from media.problems import UploadRefusedProblem


class StorageQuotaExceededProblem(UploadRefusedProblem):
    """Raised if the file exceeds the quota: ``used_bytes`` of ``limit_bytes`` are used."""

    status_code = 403
    default_code = "storage_quota_exceeded"
    default_detail = "Your plan has no storage left for this file. Delete media or change the plan."


def get_limit(plan: str | None) -> int | None:
    """Return the bytes that a plan allows, or None for no limit."""
    by_plan: dict[str, int] = settings.STORAGE_QUOTA_BYTES_BY_PLAN
    limit = by_plan.get(plan or "", settings.STORAGE_QUOTA_BYTES)
    return limit or None


def find_plan(user_id: UUID) -> str | None:
    """Return the name of the user's current plan, which the model of the app above defines."""
    return cast(Any, get_user_model()._default_manager.get(pk=user_id)).plan


def count_used_bytes(user_id: UUID, *, without: UUID | None = None) -> int:
    """Return the bytes of the user's media and voices, with unfinished uploads, but one row."""
    return sum(_count_bytes(kind, user_id, without) for kind in KINDS)


def _count_bytes(kind: Kind[Any], user_id: UUID, without: UUID | None) -> int:
    # For media files, this reads only the index `media_files_counted`.
    rows = kind.model._default_manager.filter(user_id=user_id).exclude(pk=without)
    open_ended = Q(file_size_bytes=None) & ~Q(status=MediaStatus.READY)
    totals = rows.exclude(status=MediaStatus.REJECTED).aggregate(
        declared=Sum("file_size_bytes", default=0), unsized=Count("pk", filter=open_ended)
    )
    return int(totals["declared"]) + int(totals["unsized"]) * kind.max_unsized_bytes()


def admit_upload(kind: Kind[Any], row: Upload, *, plan: str | None) -> None:
    """Raise what the kind's ``check_count`` raises, or ``StorageQuotaExceededProblem``.

    Must run inside a transaction, like ``check_quota``.
    """
    _lock_user(row.user_id)
    kind.check_count(row.user_id)
    declared = row.file_size_bytes
    adding = kind.max_unsized_bytes() if declared is None else declared
    check_quota(user_id=row.user_id, plan=plan, adding=adding)


def check_quota(
    *, user_id: UUID, plan: str | None, adding: int, without: UUID | None = None
) -> None:
    """Raise ``StorageQuotaExceededProblem`` if ``adding`` bytes (at least one) exceed the quota.

    The row ``without`` does not count. Must run inside a transaction: until it ends, no other
    upload of the user is counted.
    """
    limit = get_limit(plan)
    if limit is None:
        return
    _lock_user(user_id)
    used = count_used_bytes(user_id, without=without)
    if used + max(1, adding) > limit:
        raise StorageQuotaExceededProblem(used_bytes=used, limit_bytes=limit)


def _lock_user(user_id: UUID) -> None:
    get_user_model()._default_manager.select_for_update(no_key=True).get(pk=user_id)
