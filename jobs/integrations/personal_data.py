"""List and erase personal data of webhooks, streams and partners."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import transaction

from auteur.core.personal_data import (
    Listing,
    NotYetError,
    PersonalDataSource,
    Steps,
    delete_in_batches,
    iterate_pages,
    list_rows,
    register_source,
)
from jobs.events import cursors
from jobs.integrations.partners.answers import get_captions_location
from jobs.integrations.partners.models import DeadLetter, Partner, PartnerRequest
from jobs.integrations.streams.models import ApiUsage
from jobs.integrations.webhooks.deliveries import CURSOR
from jobs.integrations.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookQueue

OWNERS = {
    "jobs.ApiUsage": "user_id",
    "jobs.WebhookEndpoint": "user",
    "jobs.WebhookDelivery": "endpoint__user",
    "jobs.WebhookQueue": "user_id",
    "jobs.Partner": "user",
    "jobs.PartnerRequest": "partner__user",
    "jobs.DeadLetter": "partner__user",
}


def register_personal_data() -> None:
    """Register the source; called once, when Django is ready."""
    register_source(
        PersonalDataSource(
            app="integrations",
            owners=OWNERS,
            erase=_erase,
            listings=(Listing("webhooks", _list_webhooks),),
        )
    )


def _list_webhooks(user_id: UUID) -> Iterator[dict[str, Any]]:
    return list_rows(WebhookEndpoint.objects.filter(user_id=user_id))


def _erase(user_id: UUID) -> Steps:
    """Erase the rows of a user whose jobs and events are erased already (`jobs.personal_data`)."""
    yield from delete_in_batches(ApiUsage.objects.filter(user_id=user_id))
    yield from _remove_webhooks(user_id)
    yield from _remove_partners(user_id)


def _remove_webhooks(user_id: UUID) -> Steps:
    deliveries = WebhookDelivery.objects.filter(endpoint__user_id=user_id)
    yield from delete_in_batches(deliveries)
    with transaction.atomic():
        # The lock stops the fan-out. Nothing is fanned out later, because the log is deleted.
        if cursors.lock_cursor(CURSOR) is None:
            raise NotYetError
        deliveries.delete()
        WebhookQueue.objects.filter(user_id=user_id).delete()
        WebhookEndpoint.objects.filter(user_id=user_id).delete()


def _remove_partners(user_id: UUID) -> Steps:
    partners = Partner.objects.filter(user_id=user_id)
    yield partners.update(is_active=False)
    requests = PartnerRequest.objects.filter(partner__user_id=user_id).select_related("partner")
    for page in iterate_pages(requests):
        for request in page:
            storage, key = get_captions_location(request.partner, request.video_id)
            storage.delete(key)
            yield key
        PartnerRequest.objects.filter(pk__in=[request.pk for request in page]).delete()
    yield from delete_in_batches(DeadLetter.objects.filter(partner__user_id=user_id))
    yield partners.delete()
