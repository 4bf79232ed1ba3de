"""What follows when a consent is revoked: a walk through all that was made of what it covered.

It may die anywhere: whoever takes its lease begins anew, and finds what is left. Rows go first,
then jobs, then objects; and it is over when, after all known rows were gone, nothing was found that
was not known (docs/decisions/0040).
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from auteur import liveness
from auteur.api.problems import OUTAGES
from auteur.leases import Lease, LeaseLostError, Leases
from media.consents import receipts
from media.consents.models import Consent, ConsentStatus, RemovedKind
from media.consents.works import Made, works
from media.deletion import abort_uploads, delete_held, hold
from media.kinds import FILES, VOICES
from media.limits import LEASE
from media.models import MediaFile, Upload, VoiceClone
from media.storage import STORAGE_ERRORS

logger = logging.getLogger(__name__)

HARD_LIMIT_SECONDS = 600
"""Whatever hangs longer is killed with its process."""
AT_ONCE = 50
"""Rows, or jobs, between two renewals of the lease."""
DELIVERY_PAUSE = timedelta(seconds=1)
"""Before another look at jobs whose results are being delivered."""
LATE_WRITES = timedelta(minutes=10)
"""By then, no call that was stopped can put an object any more: it is looked for once more."""
FAULT_PAUSE = timedelta(seconds=30)
AWAY: tuple[type[Exception], ...] = (*OUTAGES, *STORAGE_ERRORS)
NEVER_GIVEN_UP = 2**31 - 1


def _again(rows: QuerySet[Consent]) -> int:
    return rows.update(status=ConsentStatus.REVOKED, holder=None, due_at=Now() + FAULT_PAUSE)


REVOCATIONS = Leases(
    Consent,
    waiting={"status": ConsentStatus.REVOKED, "holder": None},
    held={"status": ConsentStatus.REMOVING},
    holder="holder",
    due_at="due_at",
    tries="tries",
    fail=_again,
    max_tries=NEVER_GIVEN_UP,
    duration=LEASE,
    new_holder=liveness.process_name,
)


def run(consent_id: UUID) -> None:
    """Remove what a revoked consent has covered, if that is still waited for."""
    lease = REVOCATIONS.claim(consent_id)
    consent = lease.row.first() if lease else None
    if lease is None or consent is None:
        return
    try:
        _Walk(consent, lease).run()
    except LeaseLostError:
        logger.info("consent %s is another's to follow", consent_id)
    except AWAY as exc:
        logger.warning("consent %s waits for a store: %s", consent_id, type(exc).__name__)
        lease.release(DELIVERY_PAUSE)
    except Exception:
        # Whatever it was: nobody is told that all is gone before it is.
        logger.exception("consent %s could not be followed", consent_id)
        lease.requeue(FAULT_PAUSE)


def release_all_of(parent: int) -> int:
    """Let walks of a stopping worker's children wait again, for others to go on."""
    held = REVOCATIONS.held_rows(holder__startswith=liveness.name_of(parent, ""))
    return REVOCATIONS.release(held, timedelta(0))


class _Walk:
    def __init__(self, consent: Consent, lease: Lease[Consent]) -> None:
        self.consent, self.lease = consent, lease
        self.user_id: UUID = consent.user_id

    def run(self) -> None:
        """Until it is over, or must wait."""
        made = self._take_down_all()
        self._name_left(made)
        while receipts.remove_some(self.consent):
            self.lease.renew()
        if made.open_jobs:
            self.lease.release(DELIVERY_PAUSE)
        elif self.consent.finished_at is None:
            self.lease.renew(finished_at=Now())
            self.lease.release(LATE_WRITES)
        else:
            self.lease.finish(status=ConsentStatus.REMOVED)

    def _take_down_all(self) -> Made:
        """Delete rows and stop jobs until there are none, but for jobs that deliver just now."""
        before = None
        while True:
            made = works().made_from(user_id=self.user_id, sources=self.consent.covered)
            gone = self._take_down(made.media_ids)
            for some in self._batches(made.open_jobs):
                works().stop(job_ids=some)
            if made == before and not gone:
                return made
            before = made

    def _take_down(self, ids: Collection[UUID]) -> int:
        """Delete these media and voices; returns how many there were."""
        gone = 0
        for some in self._batches(ids):
            gone += self._delete(some)
        return gone

    @transaction.atomic
    def _delete(self, ids: Collection[UUID]) -> int:
        files = hold(MediaFile.objects.filter(user_id=self.user_id, pk__in=ids))
        voices = VoiceClone.objects.filter(user_id=self.user_id, pk__in=ids)
        rows: list[Upload] = [*files, *voices.select_for_update()]
        receipts.name_rows(self.consent, rows)
        delete_held(files)
        voices.delete()
        transaction.on_commit(lambda: abort_uploads(rows), robust=True)
        return len(rows)

    def _name_left(self, made: Made) -> None:
        """Name what rows do not tell of: pictures in the making, outputs, what failed jobs left."""
        for some in self._batches(made.media_ids):
            folders = {self._folder(FILES.room, one): one for one in some}
            receipts.name_stored(self.consent, RemovedKind.DERIVATIVE, folders)
        if voice_id := self.consent.voice_id:
            folder = {self._folder(VOICES.room, voice_id): voice_id}
            receipts.name_stored(self.consent, RemovedKind.VOICE, folder)
        for some in self._batches(made.ended_jobs):
            left = works().forget(job_ids=some)
            receipts.name_stored(self.consent, RemovedKind.OUTPUT, left.folders)
            receipts.name_segments(self.consent, left.segments)

    def _folder(self, room: str, row_id: UUID) -> str:
        return f"users/{self.user_id}/{room}/{row_id}/"

    def _batches(self, ids: Collection[UUID]) -> Iterator[Sequence[UUID]]:
        """The ids in their order, some at once, each time with a renewed lease."""
        ordered = sorted(ids)
        for start in range(0, len(ordered), AT_ONCE):
            yield ordered[start : start + AT_ONCE]
            self.lease.renew()
