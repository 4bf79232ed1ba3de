"""One try to make an export: claim, write the archive part by part, join the parts.

A try that dies is made again from the start: what it had stored is removed first.
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
from auteur.api.problems import OUTAGES, Problem
from auteur.leases import Lease, LeaseLostError
from auteur.personal_data import StoredFile, list_sources
from media.imports.storing import PartWriter
from media.storage import STORAGE_ERRORS, ObjectMissingError, object_storage
from media.storage.multipart import part_bytes_of

logger = logging.getLogger(__name__)

HARD_LIMIT_SECONDS = 12 * 3600
"""Whatever hangs longer is killed with its process."""
MAX_PARTS = 9000
"""S3 joins 10,000: what comes while the archive is made has room."""
JOINING = timedelta(minutes=15)
"""The storage may take so long to join many parts."""
NO_TIME = timedelta(0)
AWAY: tuple[type[Exception], ...] = (Problem, *OUTAGES, *STORAGE_ERRORS)
LISTINGS_SHARE = 0.1
"""Of the progress, where there are files as well."""


def run_export(export_id: UUID) -> None:
    """Make an export that waits for it; others are left alone."""
    lease = EXPORTS.claim(export_id, progress=0.0)
    export = lease.row.first() if lease else None
    if lease is None or export is None:
        return
    try:
        _Export(lease, export).make()
    except LeaseLostError:
        logger.info("export %s was taken away meanwhile", export_id)
        if not AccountExport.objects.filter(pk=export_id).exists():
            delete_objects(export)  # deleted, perhaps before we wrote
    except ObjectMissingError:
        logger.info("a file went while export %s read it", export_id)
        lease.requeue(NO_TIME)
    except AWAY as exc:
        logger.warning("export %s waits for a store: %s", export_id, type(exc).__name__)
        lease.release()


class _Export:
    """One try."""

    def __init__(self, lease: Lease[AccountExport], export: AccountExport) -> None:
        self._lease, self._export = lease, export
        self._bytes = self._bytes_done = 0
        self._listings = sum(len(holding.listings) for holding in list_sources())
        self._listings_done = 0

    def make(self) -> None:
        """The archive, and its row ready."""
        self._bytes = sum(file.size_bytes for file in self._files())
        self._begin()
        archive = Archive(PartWriter(self._export), self._heard)
        try:
            self._fill(archive)
        finally:
            archive.give_up()
        self._join()

    def _files(self) -> Iterator[StoredFile]:
        if self._export.with_media:
            for holding in list_sources():
                yield from holding.files(self._export.user_id)

    def _begin(self) -> None:
        export, storage = self._export, object_storage()
        if export.upload_id:
            storage.abort_parts(export.object_key, export.upload_id)
        export.upload_part_bytes = part_bytes_of(self._bytes, MAX_PARTS)
        export.upload_id = storage.begin_parts(export.object_key, content_type="application/zip")
        self._lease.renew(upload_id=export.upload_id, upload_part_bytes=export.upload_part_bytes)

    def _fill(self, archive: Archive) -> None:
        for holding in list_sources():
            for listing in holding.listings:
                archive.add_rows(listing.name, listing.rows(self._export.user_id))
                self._listings_done += 1
        for file in self._files():
            archive.add_file(file)
        archive.close(format=1, made_at=timezone.now(), user_id=self._export.user_id)

    def _heard(self, added_bytes: int) -> None:
        self._bytes_done += added_bytes
        self._lease.renew(progress=self._progress())

    def _progress(self) -> float:
        listed = self._listings_done / self._listings
        if not self._bytes:
            return listed
        files = min(1.0, self._bytes_done / self._bytes)
        return listed * LISTINGS_SHARE + files * (1 - LISTINGS_SHARE)

    def _join(self) -> None:
        export, storage = self._export, object_storage()
        self._lease.renew(due_at=Now() + JOINING)
        parts = storage.stored_parts(export.object_key, export.upload_id)
        storage.join_parts(export.object_key, export.upload_id, parts)
        self._lease.finish(
            status=ExportStatus.READY,
            upload_id="",
            progress=1.0,
            file_size_bytes=storage.head(export.object_key).size_bytes,
            finished_at=Now(),
            expires_at=Now() + timedelta(days=settings.EXPORT_DAYS),
        )
