"""The request and response bodies of `/api-keys`."""

from datetime import datetime
from ipaddress import IPv6Network, ip_network
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from accounts.api_keys.models import MAX_NAME_LENGTH, PREFIX_LENGTH, SCOPES, ApiKey
from auteur.core.api.choices import ChoiceField
from auteur.core.api.scopes import Scope
from auteur.core.api.secret_fields import OneTimeSecretField
from auteur.core.api.unknown_fields import RequestSerializer
from credits.ledger import MAX_AMOUNT
from credits.spending import CAPS

MAX_NETWORKS = 20


class NetworkField(serializers.CharField):
    """A field for an IP address or network, which returns a network."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the network as text, such as `203.0.113.0/24`; raises ``ValidationError``."""
        try:
            network = ip_network(super().to_internal_value(data))
        except ValueError as exc:
            raise serializers.ValidationError(
                "This is no IP address or network. Use the form 203.0.113.7, 203.0.113.0/24 or "
                "2001:db8::/32.",
                code="invalid_network",
            ) from exc
        if isinstance(network, IPv6Network) and network.network_address.scope_id:
            raise serializers.ValidationError(
                "An IPv6 address must have no zone (%).", code="invalid_network"
            )
        return str(network)


def _build_cap_field(help_text: str) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=0, max_value=MAX_AMOUNT, required=False, allow_null=True, help_text=help_text
    )


class NewApiKeySerializer(RequestSerializer):
    """The properties of an API key."""

    name = serializers.CharField(
        max_length=MAX_NAME_LENGTH, help_text="A name by which you recognize the key."
    )
    scopes = serializers.ListField(
        child=ChoiceField(choices=SCOPES),
        min_length=1,
        max_length=len(Scope),
        help_text="What the key may do. `read`: read everything except secrets. `jobs`: submit, "
        "cancel and retry jobs, and manage webhooks. `media`: create, change and delete projects, "
        "timelines, media and voices. `billing`: buy credits and change the plan. No scope "
        "includes another.",
    )
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="When the key expires; null if it does not."
    )
    allowed_addresses = serializers.ListField(
        child=NetworkField(),
        required=False,
        max_length=MAX_NETWORKS,
        help_text="The IP addresses and networks that may use the key. If it is empty, all may.",
    )
    credits_per_day = _build_cap_field(
        "How many credits the key may spend in a UTC day; null for no cap."
    )
    credits_in_all = _build_cap_field(
        "How many credits the key may spend in total; null for no cap."
    )

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        """Return the expiry; raises ``ValidationError`` for a time in the past."""
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError(
                "This time is in the past. Use one in the future, or null.", code="in_the_past"
            )
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes, with the caps moved into ``caps``."""
        caps = {name: attrs.pop(name) for name in CAPS if name in attrs}
        return attrs | {"caps": caps}


class ApiKeyQuery(serializers.Serializer[Any]):
    """The filter of the list of API keys."""

    prefix = serializers.CharField(
        required=False,
        max_length=PREFIX_LENGTH,
        help_text="List only keys that begin with this text.",
    )


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    """An API key, without its secret."""

    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES))
    credits_per_day = serializers.SerializerMethodField(
        help_text="How many credits the key may spend in a UTC day; null for no cap."
    )
    credits_in_all = serializers.SerializerMethodField(
        help_text="How many credits the key may spend in total; null for no cap."
    )
    credits_spent_today = serializers.SerializerMethodField(
        help_text="Credits spent since midnight UTC, without refunded ones."
    )
    credits_spent = serializers.SerializerMethodField(
        help_text="Credits spent in total, without refunded ones."
    )

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "name",
            "prefix",
            "scopes",
            "allowed_addresses",
            "expires_at",
            "revoked_at",
            "last_used_at",
            "created_at",
            "credits_per_day",
            "credits_in_all",
            "credits_spent_today",
            "credits_spent",
        )
        read_only_fields = fields

    def get_credits_per_day(self, key: Any) -> int | None:
        return self._get_spending(key).credits_per_day

    def get_credits_in_all(self, key: Any) -> int | None:
        return self._get_spending(key).credits_in_all

    def get_credits_spent_today(self, key: Any) -> int:
        return self._get_spending(key).count_spent_on(timezone.now())

    def get_credits_spent(self, key: Any) -> int:
        return self._get_spending(key).spent

    def _get_spending(self, key: ApiKey) -> Any:
        return self.context["spending"][key.pk]


class ApiKeyWithSecretSerializer(ApiKeySerializer):
    """A new API key, with its secret."""

    key = OneTimeSecretField(
        help_text="The secret, to be sent as `Authorization: Bearer …`. It is shown only once: if "
        "this answer is repeated for an `Idempotency-Key`, it is null."
    )

    class Meta(ApiKeySerializer.Meta):
        fields = (*ApiKeySerializer.Meta.fields, "key")
        read_only_fields = fields

    def get_key(self, key: ApiKey) -> str | None:
        secret: str | None = self.context["key"]
        return secret
