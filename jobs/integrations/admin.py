"""Load the admin pages of all integrations, which Django looks for here."""

from jobs.integrations.partners.admin import DeadLetterAdmin, PartnerAdmin, PartnerRequestAdmin
from jobs.integrations.webhooks.admin import WebhookDeliveryAdmin, WebhookEndpointAdmin

__all__ = [
    "DeadLetterAdmin",
    "PartnerAdmin",
    "PartnerRequestAdmin",
    "WebhookDeliveryAdmin",
    "WebhookEndpointAdmin",
]
