"""What goes with an export: its archive, and the parts of one that was never finished."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts.models import OPEN_EXPORTS, AccountExport, ExportStatus
from jobs.orchestrator import sweeping
from media.consents import archives
from media.consents.archives import Archive
from media.storage import StoredObject, object_storage
from media.storage.owners import Owner, register_object_owner

ROOM = "exports"
REMOVED_AT_ONCE = 20
LONGEST = timedelta(days=3)
"""Waiting included: an archive that was not made by then is given up."""


def delete_export(export: AccountExport) -> None:
    """Delete the row, and after commit what lies in the storage; a worker at it notices.

    What the storage keeps now is nobody's, and swept as such.
    """
    AccountExport.objects.filter(pk=export.pk).delete()
    transaction.on_commit(lambda: delete_objects(export), robust=True)


def revoke_exports(user_id: UUID) -> list[Archive]:
    """Take back what a user has, in the caller's transaction; what lay where."""
    held = list(AccountExport.objects.select_for_update().filter(user_id=user_id))
    for export in held:
        delete_export(export)
    return [Archive(one.pk, one.object_key, one.file_size_bytes) for one in held]


def delete_objects(export: AccountExport) -> None:
    """Remove its parts and its archive; raises ``STORAGE_ERRORS``."""
    if export.upload_id:
        object_storage().abort_parts(export.object_key, export.upload_id)
    object_storage().delete(export.object_key)


def list_due() -> QuerySet[AccountExport]:
    """Those that are no longer kept, failed with parts left, or not to be expected any more."""
    return AccountExport.objects.filter(
        Q(expires_at__lte=Now())
        | (Q(status=ExportStatus.FAILED) & ~Q(upload_id=""))
        | Q(status__in=OPEN_EXPORTS, created_at__lte=Now() - LONGEST)
    )


def sweep_exports() -> int:
    """Remove some; returns how many. Raises ``STORAGE_ERRORS``, and then goes on another time."""
    found = list(list_due().order_by("created_at")[:REMOVED_AT_ONCE])
    return sum(_sweep(export) for export in found)


@transaction.atomic
def _sweep(export: AccountExport) -> int:
    still = list_due().select_for_update().filter(pk=export.pk).first()
    if still is None:
        return 0
    if still.status == ExportStatus.FAILED and still.upload_id:
        delete_objects(still)
        return AccountExport.objects.filter(pk=still.pk).update(upload_id="")
    delete_export(still)
    return 1


def register_sweep() -> None:
    """To be called once, when Django is ready."""
    sweeping.register_sweep(
        sweeping.Sweep("exports no longer kept", lambda: list_due().count(), sweep_exports)
    )


def register_revocation() -> None:
    """To be called once, when Django is ready."""
    archives.register_revocation(revoke_exports)


def register_owner() -> None:
    """To be called once, when Django is ready."""
    register_object_owner(Owner(ROOM, _names_of))


def _names_of(objects: Sequence[StoredObject]) -> Mapping[str, int | None]:
    """The archives of exports that are there."""
    ids = {UUID(one.key.split("/")[3]) for one in objects if _is_id(one.key.split("/")[3])}
    there = AccountExport.objects.filter(pk__in=ids)
    return {export.object_key: export.file_size_bytes for export in there}


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
