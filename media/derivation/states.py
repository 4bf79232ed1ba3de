"""Define the leases of media that wait for their derivatives."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from auteur.core.work.leases import Leases
from media.limits import LEASE
from media.models import DerivationStatus, MediaFile, MediaStatus


def _fail_derivations(rows: QuerySet[MediaFile]) -> int:
    return rows.update(
        derivation_status=DerivationStatus.FAILED, derivation_claim=None, derive_at=None
    )


DERIVATIONS = Leases(
    MediaFile,
    waiting={
        "status": MediaStatus.READY,
        "derivation_status": DerivationStatus.WAITING,
        "derivation_claim": None,
    },
    claimed={"status": MediaStatus.READY, "derivation_status": DerivationStatus.WORKING},
    holder="derivation_claim",
    due_at="derive_at",
    tries="derivation_tries",
    fail=_fail_derivations,
    duration=LEASE,
)


def request_derivation(media_ids: Collection[UUID]) -> int:
    """Request the derivatives of ready media again, and return of how many.

    It resets the count of tries. New rows need no request: they are due as soon as they are ready.
    """
    return MediaFile.objects.filter(pk__in=media_ids, status=MediaStatus.READY).update(
        derivation_status=DerivationStatus.WAITING,
        derivation_progress=0.0,
        derivation_tries=0,
        derivation_claim=None,
        derive_at=Now(),
    )
