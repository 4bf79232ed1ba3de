"""Remove everything that was made of what a revoked consent covers.

The worker may die anywhere: the next holder of the lease begins anew and finds what remains. Rows
go first, then jobs, then objects, in small batches, so that each try leaves less to do. The removal
ends when all known rows are gone and a search finds no further ones (docs/decisions/0040).
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from auteur.core.api.problems import OUTAGES
from auteur.core.work import liveness
from auteur.core.work.leases import Lease, LeaseLostError, Leases
from media.consents import archives, receipts
from media.consents.derived_works import DerivedMedia, get_derived_works
from media.consents.models import Consent, ConsentStatus, Removal, RemovedKind
from media.deletion import abort_uploads, delete_locked_media, lock_media
from media.kinds import FILES, VOICES
from media.limits import LEASE
from media.models import MediaFile, Upload, VoiceClone
from media.storage import STORAGE_ERRORS

logger = logging.getLogger(__name__)

HARD_LIMIT_SECONDS = 6 * 3600
"""A task that runs longer is killed with its process."""
BATCH_SIZE = receipts.PARALLEL_REQUESTS
"""Rows, jobs or objects between two renewals of the lease."""
DELIVERY_PAUSE = timedelta(seconds=1)
"""The wait before jobs whose results are being delivered are read again."""
LATE_WRITES = timedelta(minutes=10)
"""After this, a cancelled call can no longer write an object; the worker then looks again."""
FAULT_PAUSE = timedelta(seconds=30)
STORE_ERRORS: tuple[type[Exception], ...] = (*OUTAGES, *STORAGE_ERRORS)
UNLIMITED_TRIES = 2**31 - 1

Key = TypeVar("Key", UUID, str)


def _requeue(rows: QuerySet[Consent]) -> int:
    return rows.update(status=ConsentStatus.REVOKED, holder=None, due_at=Now() + FAULT_PAUSE)


REVOCATIONS = Leases(
    Consent,
    waiting={"status": ConsentStatus.REVOKED, "holder": None},
    claimed={"status": ConsentStatus.REMOVING},
    holder="holder",
    due_at="due_at",
    tries="tries",
    fail=_requeue,
    max_tries=UNLIMITED_TRIES,
    duration=LEASE,
    create_holder=liveness.get_process_name,
)


def run_removal(consent_id: UUID) -> None:
    """Remove what a revoked consent covers, unless another worker has the lease."""
    lease = REVOCATIONS.claim(consent_id)
    consent = lease.row.first() if lease else None
    if lease is None or consent is None:
        return
    try:
        _RemovalRun(consent, lease).run()
    except LeaseLostError:
        logger.info("consent %s: another worker has the lease", consent_id)
    except STORE_ERRORS as exc:
        logger.warning("consent %s waits for a store: %s", consent_id, type(exc).__name__)
        lease.release(DELIVERY_PAUSE)
    except Exception:
        # Try again after any error: the removal must not be reported as finished before it is.
        logger.exception("consent %s: what it covers could not be removed", consent_id)
        lease.requeue(FAULT_PAUSE)


def release_leases(parent: int) -> int:
    """Release the leases of a stopping worker's child processes, for other workers."""
    rows = REVOCATIONS.list_claimed_rows(holder__startswith=liveness.build_process_name(parent, ""))
    return REVOCATIONS.release(rows, timedelta(0))


class _RemovalRun:
    def __init__(self, consent: Consent, lease: Lease[Consent]) -> None:
        self.consent, self.lease = consent, lease
        self.user_id: UUID = consent.user_id

    def run(self) -> None:
        """Remove rows, jobs and objects until nothing remains or a job must be waited for."""
        derived = self._delete_all_rows()
        if self.consent.finished_at is None:
            # An export requested since the revocation may hold media that was deleted only now.
            archives.revoke_exports(self.consent)
        self._remove_objects_of(derived)
        self._remove_listed(receipts.list_pending_removals(self.consent))
        if derived.open_jobs:
            self.lease.release(DELIVERY_PAUSE)
        elif self.consent.finished_at is None:
            self.lease.renew(finished_at=Now())
            self.lease.release(LATE_WRITES)
        else:
            self.lease.finish(status=ConsentStatus.REMOVED)

    def _delete_all_rows(self) -> DerivedMedia:
        """Delete rows and stop jobs until only jobs that are delivering results remain."""
        previous = None
        while True:
            self.lease.renew()
            derived = get_derived_works().find_derived_works(
                user_id=self.user_id, sources=self.consent.covered
            )
            deleted_count = self._delete_rows(derived.media_ids)
            for job_ids in self._split_batches(derived.open_jobs):
                get_derived_works().cancel_jobs(job_ids=job_ids)
            if derived == previous and not deleted_count:
                return derived
            previous = derived

    def _delete_rows(self, ids: Collection[UUID]) -> int:
        """Delete these media and voices, and return how many there were."""
        return sum(self._delete_batch(batch) for batch in self._split_batches(ids))

    @transaction.atomic
    def _delete_batch(self, ids: Collection[UUID]) -> int:
        files = lock_media(MediaFile.objects.filter(user_id=self.user_id, pk__in=ids))
        voices = VoiceClone.objects.filter(user_id=self.user_id, pk__in=ids)
        rows: list[Upload] = [*files, *voices.select_for_update()]
        receipts.add_rows(self.consent, rows)
        delete_locked_media(files)
        voices.delete()
        transaction.on_commit(lambda: abort_uploads(rows), robust=True)
        return len(rows)

    def _remove_objects_of(self, derived: DerivedMedia) -> None:
        """Remove the objects in the receipt, and objects without rows: new derivatives, outputs."""
        self._remove_folders(RemovedKind.EXPORT, receipts.list_export_folders(self.consent))
        files = {
            self._build_folder(FILES.room, media_id): media_id for media_id in derived.media_ids
        }
        self._remove_folders(RemovedKind.DERIVATIVE, files)
        if voice_id := self.consent.voice_id:
            folder = {self._build_folder(VOICES.room, voice_id): voice_id}
            self._remove_folders(RemovedKind.VOICE, folder)
        for job_ids in self._split_batches(derived.ended_jobs):
            leftovers = get_derived_works().erase_results(job_ids=job_ids)
            self._remove_folders(RemovedKind.OUTPUT, leftovers.folders)
            self._remove_segments(leftovers.segments)

    def _remove_folders(self, kind: RemovedKind, folders: Mapping[str, UUID]) -> None:
        for batch in self._split_batches(folders):
            owners = {folder: folders[folder] for folder in batch}
            receipts.add_stored_objects(self.consent, kind, owners)
            self._remove_objects_owned_by(owners.values())

    def _remove_segments(self, keys: Mapping[str, UUID]) -> None:
        for batch in self._split_batches(keys):
            owners = {key: keys[key] for key in batch}
            receipts.add_segments(self.consent, owners)
            self._remove_objects_owned_by(owners.values())

    def _remove_objects_owned_by(self, owner_ids: Iterable[UUID]) -> None:
        """Remove the listed objects of these owners; later listings may add sizes to the others."""
        self._remove_listed(
            receipts.list_pending_removals(self.consent).filter(object_id__in=set(owner_ids))
        )

    def _remove_listed(self, removals: QuerySet[Removal]) -> None:
        self.lease.renew()
        while receipts.remove_batch(removals):
            self.lease.renew()

    def _build_folder(self, room: str, row_id: UUID) -> str:
        return f"users/{self.user_id}/{room}/{row_id}/"

    def _split_batches(self, ids: Collection[Key]) -> Iterator[Sequence[Key]]:
        """Yield the ids in their order in batches, and renew the lease before each."""
        ordered = sorted(ids)
        for start in range(0, len(ordered), BATCH_SIZE):
            self.lease.renew()
            yield ordered[start : start + BATCH_SIZE]
