"""Load the models of all integrations, which Django looks for here."""

from jobs.integrations.partners.models import DeadLetter, Partner, PartnerRequest
from jobs.integrations.streams.models import ApiUsage
from jobs.integrations.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookQueue

__all__ = [
    "ApiUsage",
    "DeadLetter",
    "Partner",
    "PartnerRequest",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookQueue",
]
