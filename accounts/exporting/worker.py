"""The worker's part of exports: claim one, write its archive part by part, and join the parts.

If a worker dies, the next try starts anew and first deletes the stored parts.
"""

import logging
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from accounts.exporting.archive import Archive
from accounts.exporting.deletion import delete_objects
from accounts.exporting.states import EXPORTS
from accounts.models import AccountExport, ExportStatus
from auteur.core.api.problems import OUTAGES, Problem
from auteur.core.personal_data import StoredFile, list_sources
from auteur.core.work.leases import Lease, LeaseLostError
from media.imports.storing import PartWriter
from media.storage import STORAGE_ERRORS, ObjectMissingError, object_storage
from media.storage.multipart import choose_part_bytes

logger = logging.getLogger(__name__)

HARD_LIMIT_SECONDS = 12 * 3600
"""An export that runs longer is killed with its process."""
MAX_PARTS = 9000
"""S3 joins at most 10,000 parts; the rest is for data that is added while the archive is made."""
JOINING = timedelta(minutes=15)
"""The longest time that the storage may take to join many parts."""
NO_TIME = timedelta(0)
AWAY: tuple[type[Exception], ...] = (Problem, *OUTAGES, *STORAGE_ERRORS)
LISTINGS_SHARE = 0.1
"""The listings' share of the progress, if the export has files as well."""


def run_export(export_id: UUID) -> None:
    """Claim a due export and make it; do nothing if it is not due or another worker has it."""
    lease = EXPORTS.claim(export_id, progress=0.0)
    export = lease.row.first() if lease else None
    if lease is None or export is None:
        return
    try:
        _Export(lease, export).make()
    except LeaseLostError:
        logger.info("export %s was deleted, or is another worker's now", export_id)
        if not AccountExport.objects.filter(pk=export_id).exists():
            delete_objects(export)  # It may have been deleted before our parts were stored.
    except ObjectMissingError:
        logger.info("a file was deleted while export %s read it", export_id)
        lease.requeue(NO_TIME)
    except AWAY as exc:
        logger.warning("export %s waits for a store: %s", export_id, type(exc).__name__)
        lease.release()


class _Export:
    """A try to make an export."""

    def __init__(self, lease: Lease[AccountExport], export: AccountExport) -> None:
        self._lease, self._export = lease, export
        self._bytes = self._bytes_done = 0
        self._listings = sum(len(source.listings) for source in list_sources())
        self._listings_done = 0

    def make(self) -> None:
        """Write the archive and set the row ready."""
        self._bytes = sum(file.size_bytes for file in self._list_files())
        self._begin_upload()
        archive = Archive(PartWriter(self._export), self._add_progress)
        try:
            self._fill_archive(archive)
        finally:
            archive.abandon()
        self._finish_upload()

    def _list_files(self) -> Iterator[StoredFile]:
        if self._export.with_media:
            for source in list_sources():
                yield from source.files(self._export.user_id)

    def _begin_upload(self) -> None:
        export, storage = self._export, object_storage()
        if export.upload_id:
            storage.abort_parts(export.object_key, export.upload_id)
        export.upload_part_bytes = choose_part_bytes(self._bytes, MAX_PARTS)
        export.upload_id = storage.begin_parts(export.object_key, content_type="application/zip")
        self._lease.renew(upload_id=export.upload_id, upload_part_bytes=export.upload_part_bytes)

    def _fill_archive(self, archive: Archive) -> None:
        for source in list_sources():
            for listing in source.listings:
                archive.add_rows(listing.name, listing.rows(self._export.user_id))
                self._listings_done += 1
        for file in self._list_files():
            archive.add_file(file)
        archive.close(format=1, made_at=timezone.now(), user_id=self._export.user_id)

    def _add_progress(self, added_bytes: int) -> None:
        self._bytes_done += added_bytes
        self._lease.renew(progress=self._compute_progress())

    def _compute_progress(self) -> float:
        listings_progress = self._listings_done / self._listings
        if not self._bytes:
            return listings_progress
        files_progress = min(1.0, self._bytes_done / self._bytes)
        return listings_progress * LISTINGS_SHARE + files_progress * (1 - LISTINGS_SHARE)

    def _finish_upload(self) -> None:
        export, storage = self._export, object_storage()
        self._lease.renew(due_at=Now() + JOINING)
        parts = storage.list_stored_parts(export.object_key, export.upload_id)
        storage.join_parts(export.object_key, export.upload_id, parts)
        self._lease.finish(
            status=ExportStatus.READY,
            upload_id="",
            progress=1.0,
            file_size_bytes=storage.head(export.object_key).size_bytes,
            finished_at=Now(),
            expires_at=Now() + timedelta(days=settings.EXPORT_DAYS),
        )
