"""Media that wait for their pictures and waveform, and who makes them."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from auteur.leases import Leases
from media.limits import LEASE
from media.models import DerivationStatus, MediaFile, MediaStatus


def _fail(rows: QuerySet[MediaFile]) -> int:
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
    held={"status": MediaStatus.READY, "derivation_status": DerivationStatus.WORKING},
    holder="derivation_claim",
    due_at="derive_at",
    tries="derivation_tries",
    fail=_fail,
    duration=LEASE,
)


def request_derivation(media_ids: Collection[UUID]) -> int:
    """Have these made (again), from the first try on; returns of how many.

    Not needed for new rows: they are due as soon as they are ready.
    """
    return MediaFile.objects.filter(pk__in=media_ids, status=MediaStatus.READY).update(
        derivation_status=DerivationStatus.WAITING,
        derivation_progress=0.0,
        derivation_tries=0,
        derivation_claim=None,
        derive_at=Now(),
    )
