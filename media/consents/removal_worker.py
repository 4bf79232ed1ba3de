"""What follows when a consent is revoked: a walk through all that was made of what it covered.

It may die anywhere: whoever takes its lease begins anew, and finds what is left. Rows go first,
then jobs, then objects, a few at a time, so that less is left each time; and it is over when, after
all known rows were gone, nothing was found that was not known (docs/decisions/0040).
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from auteur import liveness
from auteur.api.problems import OUTAGES
from auteur.leases import Lease, LeaseLostError, Leases
from media.consents import archives, receipts
from media.consents.derived_works import DerivedMedia, get_derived_works
from media.consents.models import Consent, ConsentStatus, Removal, RemovedKind
from media.deletion import abort_uploads, delete_locked, lock_media
from media.kinds import FILES, VOICES
from media.limits import LEASE
from media.models import MediaFile, Upload, VoiceClone
from media.storage import STORAGE_ERRORS

logger = logging.getLogger(__name__)

HARD_LIMIT_SECONDS = 6 * 3600
"""Whatever hangs longer is killed with its process."""
AT_ONCE = receipts.REQUESTS_AT_ONCE
"""Rows, jobs or objects between two renewals of the lease."""
DELIVERY_PAUSE = timedelta(seconds=1)
"""Before another look at jobs whose results are being delivered."""
LATE_WRITES = timedelta(minutes=10)
"""By then, no call that was stopped can put an object any more: it is looked for once more."""
FAULT_PAUSE = timedelta(seconds=30)
AWAY: tuple[type[Exception], ...] = (*OUTAGES, *STORAGE_ERRORS)
NEVER_GIVEN_UP = 2**31 - 1

One = TypeVar("One", UUID, str)


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


def run_removal(consent_id: UUID) -> None:
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


def release_leases(parent: int) -> int:
    """Let walks of a stopping worker's children wait again, for others to go on."""
    held = REVOCATIONS.held_rows(holder__startswith=liveness.build_process_name(parent, ""))
    return REVOCATIONS.release(held, timedelta(0))


class _Walk:
    def __init__(self, consent: Consent, lease: Lease[Consent]) -> None:
        self.consent, self.lease = consent, lease
        self.user_id: UUID = consent.user_id

    def run(self) -> None:
        """Until it is over, or must wait."""
        made = self._take_down_all()
        if self.consent.finished_at is None:
            # One that was asked for since may hold what has only now been taken down.
            archives.revoke_exports(self.consent)
        self._remove_stored_of(made)
        self._remove(receipts.left(self.consent))
        if made.open_jobs:
            self.lease.release(DELIVERY_PAUSE)
        elif self.consent.finished_at is None:
            self.lease.renew(finished_at=Now())
            self.lease.release(LATE_WRITES)
        else:
            self.lease.finish(status=ConsentStatus.REMOVED)

    def _take_down_all(self) -> DerivedMedia:
        """Delete rows and stop jobs until there are none, but for jobs that deliver just now."""
        before = None
        while True:
            self.lease.renew()
            made = get_derived_works().find_derived_works(
                user_id=self.user_id, sources=self.consent.covered
            )
            gone = self._take_down(made.media_ids)
            for some in self._batches(made.open_jobs):
                get_derived_works().stop(job_ids=some)
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
        files = lock_media(MediaFile.objects.filter(user_id=self.user_id, pk__in=ids))
        voices = VoiceClone.objects.filter(user_id=self.user_id, pk__in=ids)
        rows: list[Upload] = [*files, *voices.select_for_update()]
        receipts.name_rows(self.consent, rows)
        delete_locked(files)
        voices.delete()
        transaction.on_commit(lambda: abort_uploads(rows), robust=True)
        return len(rows)

    def _remove_stored_of(self, made: DerivedMedia) -> None:
        """Remove what is named, and what no row told of: pictures in the making, outputs."""
        self._remove_stored(RemovedKind.EXPORT, receipts.archives_of(self.consent))
        files = {self._folder(FILES.room, one): one for one in made.media_ids}
        self._remove_stored(RemovedKind.DERIVATIVE, files)
        if voice_id := self.consent.voice_id:
            folder = {self._folder(VOICES.room, voice_id): voice_id}
            self._remove_stored(RemovedKind.VOICE, folder)
        for some in self._batches(made.ended_jobs):
            left = get_derived_works().forget(job_ids=some)
            self._remove_stored(RemovedKind.OUTPUT, left.folders)
            self._remove_segments(left.segments)

    def _remove_stored(self, kind: RemovedKind, folders: Mapping[str, UUID]) -> None:
        for some in self._batches(folders):
            listed = {one: folders[one] for one in some}
            receipts.name_stored(self.consent, kind, listed)
            self._remove_of(listed.values())

    def _remove_segments(self, keys: Mapping[str, UUID]) -> None:
        for some in self._batches(keys):
            asked = {one: keys[one] for one in some}
            receipts.name_segments(self.consent, asked)
            self._remove_of(asked.values())

    def _remove_of(self, owners: Iterable[UUID]) -> None:
        """Remove what is named of these; of others, a listing may have sizes to tell."""
        self._remove(receipts.left(self.consent).filter(object_id__in=set(owners)))

    def _remove(self, named: QuerySet[Removal]) -> None:
        self.lease.renew()
        while receipts.remove_some(named):
            self.lease.renew()

    def _folder(self, room: str, row_id: UUID) -> str:
        return f"users/{self.user_id}/{room}/{row_id}/"

    def _batches(self, ids: Collection[One]) -> Iterator[Sequence[One]]:
        """All in their order, a few at once, each time with a whole lease."""
        ordered = sorted(ids)
        for start in range(0, len(ordered), AT_ONCE):
            self.lease.renew()
            yield ordered[start : start + AT_ONCE]
