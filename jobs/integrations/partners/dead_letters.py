"""Store and delete dead letters. The messages themselves are on topics of the partners."""

from datetime import timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now

from jobs.integrations.partners.models import MAX_COORDINATES_LENGTH, DeadLetter, Partner
from jobs.integrations.partners.transports.base import Message

RETENTION = timedelta(days=30)
DELETE_BATCH_SIZE = 1000


def store_dead_letter(partner: Partner, message: Message, reason: str) -> None:
    """Store a dead letter for a message, once however often the message arrives."""
    letter = DeadLetter(
        partner=partner,
        coordinates=message.coordinates[:MAX_COORDINATES_LENGTH],
        topic=message.topic[:MAX_COORDINATES_LENGTH],
        reason=reason,
        size_bytes=len(message.value),
    )
    DeadLetter.objects.bulk_create([letter], ignore_conflicts=True)


def list_old() -> QuerySet[DeadLetter]:
    """Return the dead letters whose retention period has ended."""
    return DeadLetter.objects.filter(created_at__lt=Now() - RETENTION)


def delete_old() -> int:
    """Delete one batch of old dead letters, the oldest first, and return how many."""
    letter_ids = list(
        list_old().order_by("created_at").values_list("pk", flat=True)[:DELETE_BATCH_SIZE]
    )
    return DeadLetter.objects.filter(pk__in=letter_ids).delete()[0]
