"""Parse the requests and build the responses of the endpoints for webhooks."""

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from auteur.core.api.choices import ChoiceField
from auteur.core.api.content import ContentSerializer
from auteur.core.api.secret_fields import SecretMethodField
from auteur.core.api.unknown_fields import RequestSerializer
from auteur.core.net.callable_urls import CallableURLField
from jobs.event_contract import EventType
from jobs.events.log import MAX_SEQ
from jobs.integrations.webhooks import secrets
from jobs.integrations.webhooks.models import (
    MAX_DESCRIPTION_LENGTH,
    DeliveryError,
    DeliveryState,
    DisabledReason,
    WebhookDelivery,
    WebhookEndpoint,
)
from jobs.integrations.webhooks.verification import CHALLENGE_LENGTH

EVENTS = [(event_type.value, event_type.value) for event_type in EventType]


class NewEndpointSerializer(RequestSerializer):
    """The fields of a new endpoint."""

    url = CallableURLField(
        help_text="The URL of your server. It must be reachable from the public internet."
    )
    events = serializers.ListField(
        child=ChoiceField(choices=EVENTS),
        required=False,
        default=list,
        max_length=len(EVENTS),
        help_text="The types of events that the endpoint receives. All if the list is empty.",
    )
    description = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=MAX_DESCRIPTION_LENGTH
    )
    enabled = serializers.BooleanField(required=False, default=True)


class EndpointSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    """An endpoint."""

    events = serializers.ListField(child=serializers.ChoiceField(choices=EVENTS))
    enabled = serializers.SerializerMethodField()
    disabled_reason = serializers.ChoiceField(
        choices=DisabledReason.choices,
        allow_null=True,
        help_text="Why the endpoint is disabled. `owner`: by you. `failing`: every delivery "
        "failed for three days. `gone`: the endpoint answered with 410.",
    )

    class Meta:
        model = WebhookEndpoint
        fields: tuple[str, ...] = (
            "id",
            "url",
            "events",
            "description",
            "enabled",
            "disabled_at",
            "disabled_reason",
            "failing_since",
            "previous_secret_expires_at",
            "verified_at",
            "created_at",
        )
        read_only_fields = fields

    def get_enabled(self, endpoint: WebhookEndpoint) -> bool:
        """Return True if deliveries are sent to the endpoint."""
        return endpoint.disabled_at is None


class EndpointWithSecretSerializer(EndpointSerializer):
    """An endpoint with its secret."""

    secret = SecretMethodField()

    class Meta(EndpointSerializer.Meta):
        fields = (*EndpointSerializer.Meta.fields, "secret")
        read_only_fields = fields

    def get_secret(self, endpoint: WebhookEndpoint) -> str:
        """Return the secret, which begins with `whsec_`. It is not shown again."""
        return secrets.reveal_secret(endpoint.secret)


class CallbackSecretSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    """The secret that signs the deliveries to all `callback_url`s of a user."""

    secret = SecretMethodField()

    class Meta:
        model = WebhookEndpoint
        fields = ("id", "secret", "previous_secret_expires_at")
        read_only_fields = fields

    def get_secret(self, endpoint: WebhookEndpoint) -> str:
        """Return the secret, which begins with `whsec_`."""
        return secrets.reveal_secret(endpoint.secret)


class DeliverySummarySerializer(serializers.ModelSerializer[WebhookDelivery]):
    """A delivery in a list, without its request and answer."""

    type = serializers.CharField(
        help_text="The type of the event, `webhook.ping` or `webhook.verification`."
    )
    state = serializers.ChoiceField(choices=DeliveryState.choices)
    due_at = serializers.DateTimeField(
        allow_null=True, help_text="The time of the next try. Null once the delivery has ended."
    )
    status = serializers.IntegerField(
        allow_null=True, help_text="The HTTP status of the last answer."
    )
    error_code = serializers.ChoiceField(
        choices=DeliveryError.choices,
        allow_null=True,
        help_text="Why the last try failed. Null if it succeeded.",
    )

    class Meta:
        model = WebhookDelivery
        fields: tuple[str, ...] = (
            "id",
            "type",
            "seq",
            "job_id",
            "url",
            "state",
            "tries",
            "due_at",
            "status",
            "duration_ms",
            "error_code",
            "tried_at",
            "created_at",
        )
        read_only_fields = fields


class DeliverySerializer(ContentSerializer, DeliverySummarySerializer):
    """A delivery with its last request and answer."""

    CONTENT = ("url", "request_headers", "answer")

    body = serializers.SerializerMethodField()
    request_headers = serializers.SerializerMethodField()

    class Meta(DeliverySummarySerializer.Meta):
        fields = (*DeliverySummarySerializer.Meta.fields, "body", "request_headers", "answer")
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_body(self, delivery: WebhookDelivery) -> Any:
        """Return the body that is sent."""
        return json.loads(delivery.body)

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": {"type": "string"}})
    def get_request_headers(self, delivery: WebhookDelivery) -> Any:
        """Return our request headers, without the signature."""
        return delivery.request_headers


class ChallengeSerializer(RequestSerializer):
    """The challenge that the endpoint's URL has received."""

    challenge = serializers.CharField(
        max_length=CHALLENGE_LENGTH,
        help_text="The value of `data.challenge` in a `webhook.verification`.",
    )


class ReplaySerializer(RequestSerializer):
    """The events to be sent again."""

    after = serializers.IntegerField(
        min_value=0, max_value=MAX_SEQ, help_text="All events after this `seq` are sent again."
    )


class ReplayedSerializer(serializers.Serializer[Any]):
    """The result of a replay."""

    deliveries = serializers.IntegerField(help_text="The number of deliveries.")
    last_seq = serializers.IntegerField(
        help_text="The `seq` of the last event that was read. Repeat the replay with it as "
        "`after` until it no longer changes."
    )
