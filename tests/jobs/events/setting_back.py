"""Set the numbered log back to a position, as a restore of PostgreSQL does."""

from jobs.events import log
from jobs.integrations.webhooks.models import WebhookDelivery
from jobs.models import EventCursor, EventEpoch, EventHead, UserEvent


def set_back(position: int) -> None:
    """Forget all events after this position, with what follows from them."""
    lost = UserEvent.objects.filter(position__gt=position)
    for user_id, seq in lost.values_list("user_id", "seq"):
        WebhookDelivery.objects.filter(endpoint__user_id=user_id, seq=seq).delete()
    lost.delete()
    for head in EventHead.objects.all():
        last = UserEvent.objects.filter(user_id=head.user_id).order_by("seq").last()
        if last is None:
            head.delete()
        else:
            EventHead.objects.filter(pk=head.pk).update(seq=last.seq, hash=last.hash)
    EventEpoch.objects.filter(first_position__gt=position + 1).delete()
    EventCursor.objects.filter(position__gt=position).update(position=position)
    assert log.get_last_position() <= position
