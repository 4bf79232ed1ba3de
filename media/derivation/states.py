"""Whose turn it is: each change is one guarded UPDATE, and ``derive_at`` says who looks next."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from auteur.database import execute
from media.models import DerivationStatus, MediaFile, MediaStatus

LEASE = timedelta(seconds=60)
"""Longer than one read from the storage may take; renewed by telling progress."""
MAX_TRIES = 3
SENT_AGAIN_AFTER = timedelta(seconds=60)
"""A message not claimed by then is taken for lost."""
OUTAGE_PAUSE = timedelta(seconds=30)

TAKE = """
WITH due AS (
    SELECT id FROM media_files
    WHERE status = 'ready' AND derivation_status = 'waiting'
      AND derive_at <= statement_timestamp()
    ORDER BY derive_at, id LIMIT %(at_once)s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE media_files SET derive_at = statement_timestamp() + %(again)s
FROM due WHERE media_files.id = due.id
RETURNING media_files.id"""


class ClaimLost(Exception):
    """The row is gone, or another's: drop the work."""


@dataclass(frozen=True)
class Claim:
    """The right to work on a media file, as long as its row names the token."""

    media_id: UUID
    token: UUID

    @property
    def row(self) -> QuerySet[MediaFile]:
        """The row, if it is still ours."""
        return MediaFile.objects.filter(
            pk=self.media_id,
            derivation_status=DerivationStatus.WORKING,
            derivation_claim=self.token,
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


def take_due(at_once: int) -> list[UUID]:
    """Waiting media whose message is to be sent; they come back unless somebody claims them."""
    values = {"at_once": at_once, "again": SENT_AGAIN_AFTER}
    return [media_id for (media_id,) in execute(TAKE, values)] if at_once > 0 else []


def take_back_lost() -> int:
    """End the claims of lost workers: another try, or none; returns how many there were."""
    lost = MediaFile.objects.filter(
        status=MediaStatus.READY, derivation_status=DerivationStatus.WORKING, derive_at__lte=Now()
    )
    return _put_back(lost, pause=timedelta(0))


def claim(media_id: UUID) -> Claim | None:
    """Take a waiting media file; None where there is nothing to do."""
    made = Claim(media_id, uuid.uuid4())
    claimed = MediaFile.objects.filter(
        pk=media_id, status=MediaStatus.READY, derivation_status=DerivationStatus.WAITING
    ).update(
        derivation_status=DerivationStatus.WORKING,
        derivation_claim=made.token,
        derivation_progress=0.0,
        derivation_tries=F("derivation_tries") + 1,
        derive_at=Now() + LEASE,
    )
    return made if claimed else None


def renew(claim: Claim, progress: float) -> None:
    """Say how far it is, 0 to 1, and go on holding it; raises ``ClaimLost``."""
    if not claim.row.update(derivation_progress=progress, derive_at=Now() + LEASE):
        raise ClaimLost


def finish(claim: Claim, **found: Any) -> None:
    """Keep what was made; raises ``ClaimLost``."""
    ended = {"derivation_status": DerivationStatus.DONE, "derivation_progress": 1.0}
    if not claim.row.update(derive_at=None, derivation_claim=None, **ended, **found):
        raise ClaimLost


def fail(claim: Claim) -> None:
    """Nothing can be made of it."""
    claim.row.update(
        derivation_status=DerivationStatus.FAILED, derivation_claim=None, derive_at=None
    )


def try_again(claim: Claim) -> None:
    """This try came to nothing, another may not."""
    _put_back(claim.row, pause=OUTAGE_PAUSE)


def wait_for_storage(claim: Claim) -> None:
    """An outage of ours is no try."""
    claim.row.update(
        derivation_status=DerivationStatus.WAITING,
        derivation_claim=None,
        derivation_tries=F("derivation_tries") - 1,
        derive_at=Now() + OUTAGE_PAUSE,
    )


def _put_back(working: QuerySet[MediaFile], *, pause: timedelta) -> int:
    over = Q(derivation_tries__gte=MAX_TRIES)
    failed = working.filter(over).update(
        derivation_status=DerivationStatus.FAILED, derivation_claim=None, derive_at=None
    )
    return failed + working.exclude(over).update(
        derivation_status=DerivationStatus.WAITING, derivation_claim=None, derive_at=Now() + pause
    )
