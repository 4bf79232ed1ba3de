"""What was set aside, and why; the messages themselves are on the partners' own topics."""

from datetime import timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now

from jobs.partners.models import MAX_COORDINATES_LENGTH, DeadLetter, Partner
from jobs.partners.transports.base import Message

KEPT = timedelta(days=30)
REMOVED_AT_ONCE = 1000


def store_dead_letter(partner: Partner, message: Message, reason: str) -> None:
    """That a message is set aside, once however often it comes."""
    letter = DeadLetter(
        partner=partner,
        coordinates=message.coordinates[:MAX_COORDINATES_LENGTH],
        topic=message.topic[:MAX_COORDINATES_LENGTH],
        reason=reason,
        size_bytes=len(message.value),
    )
    DeadLetter.objects.bulk_create([letter], ignore_conflicts=True)


def list_old() -> QuerySet[DeadLetter]:
    """Those that are no longer kept."""
    return DeadLetter.objects.filter(created_at__lt=Now() - KEPT)


def delete_old() -> int:
    """Remove some of the `list_old`, the oldest first; returns how many."""
    found = list(list_old().order_by("created_at").values_list("pk", flat=True)[:REMOVED_AT_ONCE])
    return DeadLetter.objects.filter(pk__in=found).delete()[0]
