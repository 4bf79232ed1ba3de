"""The line of media that wait for their pictures and waveform."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from media.lines import Line
from media.models import DerivationStatus, MediaFile, MediaStatus


def _fail(rows: QuerySet[MediaFile]) -> int:
    return rows.update(
        derivation_status=DerivationStatus.FAILED, derivation_claim=None, derive_at=None
    )


DERIVATIONS = Line(
    MediaFile,
    status=MediaStatus.READY,
    at="derive_at",
    claim_by="derivation_claim",
    tries="derivation_tries",
    give_up=_fail,
    waiting={"derivation_status": DerivationStatus.WAITING},
    working={"derivation_status": DerivationStatus.WORKING, "derivation_progress": 0.0},
)


def request(media_ids: Collection[UUID]) -> int:
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
