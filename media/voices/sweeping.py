"""Voices that were announced and never confirmed."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from media.deletion import remove_objects
from media.models import MediaStatus, VoiceClone
from media.sweeping import REMOVED_AT_ONCE, UNCONFIRMED_KEPT


def unconfirmed() -> QuerySet[VoiceClone]:
    """Voices that were announced long ago and never confirmed."""
    kept = timedelta(seconds=settings.PRESIGNED_URL_SECONDS) + UNCONFIRMED_KEPT
    return VoiceClone.objects.filter(status=MediaStatus.UPLOADING, created_at__lte=Now() - kept)


@transaction.atomic
def remove_unconfirmed() -> int:
    """Remove some with their objects, held meanwhile as media files are."""
    held = unconfirmed().select_for_update(skip_locked=True).order_by("created_at")
    rows = list(held[:REMOVED_AT_ONCE])
    gone = rows[: remove_objects([row.sample_r2_key for row in rows])]
    return VoiceClone.objects.filter(pk__in=[row.pk for row in gone]).delete()[0]
