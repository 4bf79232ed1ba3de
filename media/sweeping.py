"""Removes uploads that were never finished: their rows, objects, partial files and parts."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from auteur.database import clock
from media.deletion import abort_uploads, delete_objects
from media.kinds import Kind, Row
from media.models import MediaStatus
from media.storage import object_storage

UNCONFIRMED_LIFETIME = timedelta(days=1)
"""After the URL has expired."""
UNFINISHED_KEPT = timedelta(days=2)
"""Since a half file was last written to, or an upload in parts began: longer than its row."""
REMOVED_AT_ONCE = 50


def list_unconfirmed(kind: Kind[Row]) -> QuerySet[Row]:
    """What was announced long ago and never confirmed."""
    age = timedelta(seconds=settings.PRESIGNED_URL_SECONDS) + UNCONFIRMED_LIFETIME
    rows = kind.model._default_manager.filter(status=MediaStatus.UPLOADING)
    return rows.filter(created_at__lte=Now() - age)


@transaction.atomic
def delete_unconfirmed(kind: Kind[Row]) -> int:
    """Remove some with their objects; what the storage cannot remove now stays for another round.

    The rows are held meanwhile, so that none is confirmed without its object.
    """
    held = list_unconfirmed(kind).select_for_update(skip_locked=True).order_by("created_at")
    rows = list(held[:REMOVED_AT_ONCE])
    abort_uploads(rows)
    gone = rows[: delete_objects([row.object_key for row in rows])]
    kind.model._default_manager.filter(pk__in=[row.pk for row in gone]).delete()
    return len(gone)


def count_unfinished() -> int:
    """How many half files and uploads in parts lie in the storage for long."""
    return len(object_storage().unfinished(before=clock.now() - UNFINISHED_KEPT))


def delete_unfinished() -> int:
    """Remove some that nobody writes to any more."""
    storage = object_storage()
    found = storage.unfinished(before=clock.now() - UNFINISHED_KEPT)
    return sum(storage.remove_unfinished(name) for name in found[:REMOVED_AT_ONCE])
