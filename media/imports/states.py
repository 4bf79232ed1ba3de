"""Imports that wait for a worker, who fetches for them, and how they are given up."""

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet

from auteur import liveness
from auteur.leases import Leases
from gpu_tasks.runtime.errors import InputRefusedError
from media.checking import reject_upload
from media.imports.errors import refusal
from media.imports.limits import MAX_TRIES
from media.limits import LEASE
from media.models import ImportStatus, MediaFile, MediaImport, MediaStatus


def reject_imports(rows: QuerySet[MediaImport], why: InputRefusedError | None = None) -> int:
    """Reject the media of imports, by default for what their last tries failed of.

    Returns how many were still among ``rows``.
    """
    return sum(_refuse(rows.filter(pk=one.pk), one, why) for one in list(rows))


@transaction.atomic
def _refuse(row: QuerySet[MediaImport], found: MediaImport, why: InputRefusedError | None) -> int:
    # Media first, as whoever deletes it does.
    media = MediaFile.objects.select_for_update(no_key=True).filter(pk=found.pk).first()
    over = {"holder": None, "due_at": None, "url": None}
    if media is None or not row.update(status=ImportStatus.FAILED, **over):
        return 0
    uploading = MediaFile.objects.filter(pk=media.pk, status=MediaStatus.UPLOADING)
    reject_upload(uploading, media, why or found.error or refusal("import_failed"))
    return 1


IMPORTS = Leases(
    MediaImport,
    waiting={"status": ImportStatus.WAITING, "holder": None},
    held={"status": ImportStatus.FETCHING},
    holder="holder",
    due_at="due_at",
    tries="tries",
    fail=reject_imports,
    max_tries=MAX_TRIES,
    duration=LEASE,
    new_holder=liveness.process_name,
)


def release_leases(parent: int) -> int:
    """Let imports of a stopping worker's children wait again, at no cost of a try."""
    held = IMPORTS.held_rows(holder__startswith=liveness.build_process_name(parent, ""))
    return IMPORTS.release(held, timedelta(0))
