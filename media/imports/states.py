"""Define the leases of imports, and reject imports that have failed."""

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet

from auteur.core.work import liveness
from auteur.core.work.leases import Leases
from gpu_tasks.runtime.errors import InputRefusedError
from media.checking import reject_upload
from media.imports.errors import build_refusal
from media.imports.limits import MAX_TRIES
from media.limits import LEASE
from media.models import ImportStatus, MediaFile, MediaImport, MediaStatus


def reject_imports(rows: QuerySet[MediaImport], reason: InputRefusedError | None = None) -> int:
    """Reject the media of imports, by default with the errors of their last tries.

    Returns how many were still among ``rows``.
    """
    return sum(_reject_import(rows.filter(pk=row.pk), row, reason) for row in list(rows))


@transaction.atomic
def _reject_import(
    rows: QuerySet[MediaImport], row: MediaImport, reason: InputRefusedError | None
) -> int:
    # Lock the media first, in the same order as its deletion, to avoid a deadlock.
    media = MediaFile.objects.select_for_update(no_key=True).filter(pk=row.pk).first()
    end_columns = {"holder": None, "due_at": None, "url": None}
    if media is None or not rows.update(status=ImportStatus.FAILED, **end_columns):
        return 0
    uploading = MediaFile.objects.filter(pk=media.pk, status=MediaStatus.UPLOADING)
    reject_upload(uploading, media, reason or row.error or build_refusal("import_failed"))
    return 1


IMPORTS = Leases(
    MediaImport,
    waiting={"status": ImportStatus.WAITING, "holder": None},
    claimed={"status": ImportStatus.FETCHING},
    holder="holder",
    due_at="due_at",
    tries="tries",
    fail=reject_imports,
    max_tries=MAX_TRIES,
    duration=LEASE,
    create_holder=liveness.get_process_name,
)


def release_leases(parent: int) -> int:
    """Release the leases of a stopping worker's child processes, without counting a try."""
    rows = IMPORTS.list_claimed_rows(holder__startswith=liveness.build_process_name(parent, ""))
    return IMPORTS.release(rows, timedelta(0))
