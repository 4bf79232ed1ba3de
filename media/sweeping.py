"""Delete uploads that were never finished: their rows, objects, partial files and parts."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from auteur.core.database import clock
from media.deletion import abort_uploads, delete_objects
from media.kinds import Kind, Row
from media.models import MediaStatus
from media.storage import object_storage

UNCONFIRMED_LIFETIME = timedelta(days=1)
"""How long an unconfirmed upload is kept after its URL has expired."""
UNFINISHED_LIFETIME = timedelta(days=2)
"""How long partial files and uploads in parts are kept: longer than the rows of uploads."""
BATCH_SIZE = 50


def list_unconfirmed(kind: Kind[Row]) -> QuerySet[Row]:
    """Return the uploads that were declared long ago and never confirmed."""
    age = timedelta(seconds=settings.PRESIGNED_URL_SECONDS) + UNCONFIRMED_LIFETIME
    rows = kind.model._default_manager.filter(status=MediaStatus.UPLOADING)
    return rows.filter(created_at__lte=Now() - age)


@transaction.atomic
def delete_unconfirmed(kind: Kind[Row]) -> int:
    """Delete a batch of unconfirmed uploads with their objects, and return how many were deleted.

    Rows whose objects the storage cannot delete now remain for the next sweep. The rows are locked
    meanwhile, so that none is confirmed without its object.
    """
    locked = list_unconfirmed(kind).select_for_update(skip_locked=True).order_by("created_at")
    rows = list(locked[:BATCH_SIZE])
    abort_uploads(rows)
    deletable = rows[: delete_objects([row.object_key for row in rows])]
    kind.model._default_manager.filter(pk__in=[row.pk for row in deletable]).delete()
    return len(deletable)


def count_unfinished() -> int:
    """Return the number of old partial files and uploads in parts in the storage."""
    return len(object_storage().list_unfinished(before=clock.now() - UNFINISHED_LIFETIME))


def delete_unfinished() -> int:
    """Delete a batch of old partial files and uploads in parts, and return how many."""
    storage = object_storage()
    names = storage.list_unfinished(before=clock.now() - UNFINISHED_LIFETIME)
    return sum(storage.remove_unfinished(name) for name in names[:BATCH_SIZE])
