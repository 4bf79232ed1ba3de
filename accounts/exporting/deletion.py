"""Deletion of exports with their archives and the parts of unfinished archives."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts.models import OPEN_EXPORTS, AccountExport, ExportStatus
from jobs.retention import sweeping
from media.consents import archives
from media.consents.archives import RevokedExport
from media.storage import StoredObject, object_storage
from media.storage.owners import Owner, register_object_owner

FOLDER = "exports"
DELETED_AT_ONCE = 20
LONGEST = timedelta(days=3)
"""How long an export may be open, including its wait for a worker, before it is deleted."""


def delete_export(export: AccountExport) -> None:
    """Delete the row, and its objects after commit. A worker that makes it notices by its lease.

    If the storage fails, the objects are orphans and swept as such.
    """
    AccountExport.objects.filter(pk=export.pk).delete()
    transaction.on_commit(lambda: delete_objects(export), robust=True)


def revoke_exports(user_id: UUID) -> list[RevokedExport]:
    """Delete the user's exports in the caller's transaction; return their archives."""
    exports = list(AccountExport.objects.select_for_update().filter(user_id=user_id))
    for export in exports:
        delete_export(export)
    return [
        RevokedExport(export.pk, export.object_key, export.file_size_bytes) for export in exports
    ]


def delete_objects(export: AccountExport) -> None:
    """Delete the parts and the archive of an export; raises ``STORAGE_ERRORS``."""
    if export.upload_id:
        object_storage().abort_parts(export.object_key, export.upload_id)
    object_storage().delete(export.object_key)


def list_due() -> QuerySet[AccountExport]:
    """Return the exports that are expired, failed with stored parts, or open for too long."""
    return AccountExport.objects.filter(
        Q(expires_at__lte=Now())
        | (Q(status=ExportStatus.FAILED) & ~Q(upload_id=""))
        | Q(status__in=OPEN_EXPORTS, created_at__lte=Now() - LONGEST)
    )


def sweep_exports() -> int:
    """Sweep one batch of due exports; return how many. Raises ``STORAGE_ERRORS``."""
    due_exports = list(list_due().order_by("created_at")[:DELETED_AT_ONCE])
    return sum(_sweep_export(export) for export in due_exports)


@transaction.atomic
def _sweep_export(due_export: AccountExport) -> int:
    export = list_due().select_for_update().filter(pk=due_export.pk).first()
    if export is None:
        return 0
    if export.status == ExportStatus.FAILED and export.upload_id:
        delete_objects(export)
        return AccountExport.objects.filter(pk=export.pk).update(upload_id="")
    delete_export(export)
    return 1


def register_sweep() -> None:
    """Register the sweep of exports; called once, when Django is ready."""
    sweeping.register_sweep(
        sweeping.Sweep("exports no longer kept", lambda: list_due().count(), sweep_exports)
    )


def register_revocation() -> None:
    """Register with its registry; called once, when Django is ready."""
    archives.register_export_revoker(revoke_exports)


def register_owner() -> None:
    """Register exports as owners of storage keys; called once, when Django is ready."""
    register_object_owner(Owner(FOLDER, _find_archive_sizes))


def _find_archive_sizes(objects: Sequence[StoredObject]) -> Mapping[str, int | None]:
    """Return the keys and sizes of the archives among the objects that an export's row names."""
    names = {stored_object.key.split("/")[3] for stored_object in objects}
    ids = {UUID(name) for name in names if _is_uuid(name)}
    exports = AccountExport.objects.filter(pk__in=ids)
    return {export.object_key: export.file_size_bytes for export in exports}


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
