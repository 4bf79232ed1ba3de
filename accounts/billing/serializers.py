"""The request and response bodies of `/billing`."""

from typing import Any

from rest_framework import serializers

from accounts.billing.auto_top_up import MAX_CAP, MAX_THRESHOLD
from auteur.core.api.secret_fields import SecretURLField
from auteur.core.api.unknown_fields import RequestSerializer

MAX_NAME_LENGTH = 50


class OfferSerializer(serializers.Serializer[Any]):
    """Something on sale."""

    name = serializers.CharField()
    credits = serializers.IntegerField(help_text="For each period of a plan; of a pack, once.")


class BillingSerializer(serializers.Serializer[Any]):
    """What can be bought; Stripe's page says for how much."""

    plans = OfferSerializer(many=True)
    packs = OfferSerializer(many=True)
    has_portal = serializers.BooleanField(
        help_text="Whether there is anything to manage by `POST /billing/portal`."
    )


class CheckoutSerializer(RequestSerializer):
    """What is to be bought: one of the two."""

    plan = serializers.CharField(max_length=MAX_NAME_LENGTH, required=False)
    pack = serializers.CharField(max_length=MAX_NAME_LENGTH, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes; raises ``ValidationError`` unless there is exactly one."""
        if len(attrs) != 1:
            raise serializers.ValidationError("Name a plan or a pack.", code="one_of")
        return attrs


class PageSerializer(serializers.Serializer[Any]):
    """A page of Stripe's."""

    url = SecretURLField(help_text="To be opened in the user's browser, soon.")


class AutoTopUpSerializer(RequestSerializer):
    """That a pack is bought when credits run low."""

    enabled = serializers.BooleanField()
    pack = serializers.CharField(max_length=MAX_NAME_LENGTH)
    threshold = serializers.IntegerField(
        min_value=1, max_value=MAX_THRESHOLD, help_text="Credits below which it is bought."
    )
    monthly_cap = serializers.IntegerField(
        min_value=1,
        max_value=MAX_CAP,
        help_text="Most money of a calendar month (UTC), in the smallest unit of the currency.",
    )


class AutoTopUpStateSerializer(AutoTopUpSerializer):
    """The same, and how it stands."""

    currency = serializers.CharField()
    charged_this_month = serializers.IntegerField()
    off_reason = serializers.CharField(
        allow_null=True,
        help_text="Why we turned it off: Stripe's code, such as `card_declined`.",
    )
