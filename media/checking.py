"""Uploads that have been confirmed are looked at, once, and become ready or are rejected."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from auteur.api.problems import Unavailable
from gpu_tasks.runtime.errors import Refusal
from gpu_tasks.runtime.sandbox import SandboxFailed
from media.deletion import remove_after_commit
from media.inspection import inspect
from media.lines import Claim, ClaimLost, Line
from media.models import MediaFile, MediaStatus, MediaType
from media.probing import UnsupportedMedia
from media.storage import STORAGE_ERRORS, ObjectMissing, object_storage

logger = logging.getLogger(__name__)

HARD_LIMIT_SECONDS = 300
"""Whatever hangs longer is killed with its process."""


class CheckFailed(Refusal):
    """Every try was lost: a file that does so to workers is not taken."""

    code = "check_failed"
    detail = "The file could not be checked: upload it again, or in another format."


class UploadLost(Refusal):
    """The object went after it was confirmed."""

    code = "upload_missing"
    detail = "The uploaded file is gone: upload it again."


def _give_up(rows: QuerySet[MediaFile]) -> int:
    with transaction.atomic():
        held = list(rows.select_for_update(no_key=True))
        return sum(reject(MediaFile.objects.filter(pk=row.pk), row, CheckFailed()) for row in held)


CHECKS = Line(
    MediaFile,
    status=MediaStatus.CHECKING,
    at="check_at",
    claim_by="check_claim",
    tries="check_tries",
    give_up=_give_up,
)


def run(media_id: UUID) -> None:
    """Check an upload that waits for it; others are left alone."""
    claim = CHECKS.claim(media_id)
    media = claim.row.first() if claim else None
    if claim is None or media is None:
        return
    with ended_by(claim, lambda refusal: reject(claim.row, media, refusal)):
        _check(claim, media)


@contextmanager
def ended_by(claim: Claim[Any], reject: Callable[[Refusal], object]) -> Iterator[None]:
    """What becomes of the row when a check does not find it good."""
    try:
        yield
    except ClaimLost:
        logger.info("%s was taken away meanwhile", claim.row_id)
    except Refusal as refusal:
        reject(refusal)
    except (Unavailable, *STORAGE_ERRORS) as exc:
        logger.warning("%s waits for the storage: %s", claim.row_id, type(exc).__name__)
        claim.wait_for_storage()
    except SandboxFailed:
        logger.exception("%s could not be checked", claim.row_id)
        claim.try_again()


def _check(claim: Claim[MediaFile], media: MediaFile) -> None:
    storage = object_storage()
    try:
        storage.head(media.r2_key)
    except ObjectMissing as exc:
        raise UploadLost from exc
    found = inspect(storage.probe_source(media.r2_key), tick=claim.renew)
    # A film without pictures is a sound; but a picture is never a film.
    if (found.type == MediaType.IMAGE) != (media.type == MediaType.IMAGE):
        detail = f"The file was announced as {media.type} and is {found.type}."
        raise UnsupportedMedia(detail=detail)
    claim.finish(
        status=MediaStatus.READY,
        derive_at=Now(),
        type=found.type,
        duration_ms=found.duration_ms,
        metadata=found.metadata,
    )


def reject(rows: QuerySet[MediaFile], media: MediaFile, refusal: Refusal) -> bool:
    """Refuse what is still among ``rows``, for good, and remove its object; whether it was."""
    with transaction.atomic():
        rejected = rows.update(
            status=MediaStatus.REJECTED,
            upload_id="",
            upload_part_bytes=None,
            check_at=None,
            check_claim=None,
            metadata={"rejected": refusal.code, "detail": refusal.detail},
        )
        if rejected:
            remove_after_commit([media.r2_key])
    return rejected == 1
