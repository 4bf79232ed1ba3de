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
    """An address or a network; kept as a network."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the network as text, such as `203.0.113.0/24`; raises ``ValidationError``."""
        try:
            network = ip_network(super().to_internal_value(data))
        except ValueError as exc:
            raise serializers.ValidationError(
                "An address or a network: 203.0.113.7, 203.0.113.0/24, 2001:db8::/32.",
                code="invalid_network",
            ) from exc
        if isinstance(network, IPv6Network) and network.network_address.scope_id:
            raise serializers.ValidationError("Without a zone.", code="invalid_network")
        return str(network)


def _cap_field(help_text: str) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=0, max_value=MAX_AMOUNT, required=False, allow_null=True, help_text=help_text
    )


class NewApiKeySerializer(RequestSerializer):
    """What a key is to be."""

    name = serializers.CharField(
        max_length=MAX_NAME_LENGTH, help_text="A name to recognize the key by."
    )
    scopes = serializers.ListField(
        child=ChoiceField(choices=SCOPES),
        min_length=1,
        max_length=len(Scope),
        help_text="`read`: see; `jobs`: submit and cancel, webhooks; `media`: projects, timelines, "
        "media, voices; `billing`: buy. None contains another.",
    )
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="null: it does not expire."
    )
    allowed_addresses = serializers.ListField(
        child=NetworkField(),
        required=False,
        max_length=MAX_NETWORKS,
        help_text="Addresses and networks that may use the key. Empty: any.",
    )
    credits_per_day = _cap_field("How many credits it may spend in a UTC day. null: no cap.")
    credits_in_all = _cap_field("How many credits it may spend in total. null: no cap.")

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        """Return the expiry; raises ``ValidationError`` for a time in the past."""
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("This is in the past.", code="in_the_past")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes, with the caps moved into ``caps``."""
        caps = {name: attrs.pop(name) for name in CAPS if name in attrs}
        return attrs | {"caps": caps}


class ApiKeyQuery(serializers.Serializer[Any]):
    """Which keys are listed."""

    prefix = serializers.CharField(
        required=False, max_length=PREFIX_LENGTH, help_text="How the key begins."
    )


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    """A key, without its secret."""

    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES))
    credits_per_day = serializers.SerializerMethodField()
    credits_in_all = serializers.SerializerMethodField()
    credits_spent_today = serializers.SerializerMethodField()
    credits_spent = serializers.SerializerMethodField()

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
        """The cap; null: none."""
        return self._get_spending(key).credits_per_day

    def get_credits_in_all(self, key: Any) -> int | None:
        """The cap; null: none."""
        return self._get_spending(key).credits_in_all

    def get_credits_spent_today(self, key: Any) -> int:
        """Since midnight UTC, less what was refunded of it."""
        return self._get_spending(key).spent_on(timezone.now())

    def get_credits_spent(self, key: Any) -> int:
        """In all, less what was refunded."""
        return self._get_spending(key).spent

    def _get_spending(self, key: ApiKey) -> Any:
        return self.context["spending"][key.pk]


class ApiKeyWithSecretSerializer(ApiKeySerializer):
    """A key, when its secret is told."""

    key = OneTimeSecretField()

    class Meta(ApiKeySerializer.Meta):
        fields = (*ApiKeySerializer.Meta.fields, "key")
        read_only_fields = fields

    def get_key(self, key: ApiKey) -> str | None:
        """Send it as `Authorization: Bearer …`. It is not shown again: not even where this answer
        is repeated, for an `Idempotency-Key`, where it is null.
        """
        secret: str | None = self.context["key"]
        return secret
