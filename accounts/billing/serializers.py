"""The request and response bodies of `/billing`."""

from typing import Any

from rest_framework import serializers

from accounts.billing.auto_top_up import MAX_CAP, MAX_THRESHOLD
from auteur.core.api.secret_fields import SecretURLField
from auteur.core.api.unknown_fields import RequestSerializer

MAX_NAME_LENGTH = 50


class OfferSerializer(serializers.Serializer[Any]):
    """A plan or a pack on sale."""

    name = serializers.CharField()
    credits = serializers.IntegerField(
        help_text="The credits that it buys: for a plan in each period, for a pack once."
    )


class BillingSerializer(serializers.Serializer[Any]):
    """The plans and packs on sale. Stripe's page shows the prices."""

    plans = OfferSerializer(many=True)
    packs = OfferSerializer(many=True)
    has_portal = serializers.BooleanField(
        help_text="True if there are purchases to manage with `POST /billing/portal`."
    )


class CheckoutSerializer(RequestSerializer):
    """The plan or the pack to buy."""

    plan = serializers.CharField(max_length=MAX_NAME_LENGTH, required=False)
    pack = serializers.CharField(max_length=MAX_NAME_LENGTH, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes; raises ``ValidationError`` unless there is exactly one."""
        if len(attrs) != 1:
            raise serializers.ValidationError(
                "Name either a plan or a pack, not both.", code="one_of"
            )
        return attrs


class PageSerializer(serializers.Serializer[Any]):
    """A page at Stripe."""

    url = SecretURLField(help_text="The address to open in the user's browser. It expires soon.")


class AutoTopUpSerializer(RequestSerializer):
    """The settings by which a pack is bought when credits run low."""

    enabled = serializers.BooleanField()
    pack = serializers.CharField(max_length=MAX_NAME_LENGTH)
    threshold = serializers.IntegerField(
        min_value=1,
        max_value=MAX_THRESHOLD,
        help_text="The pack is bought when the balance falls below this.",
    )
    monthly_cap = serializers.IntegerField(
        min_value=1,
        max_value=MAX_CAP,
        help_text="The most money to charge in a calendar month (UTC), in the smallest unit of the "
        "currency.",
    )


class AutoTopUpStateSerializer(AutoTopUpSerializer):
    """The settings of automatic top-up, and its state."""

    currency = serializers.CharField()
    charged_this_month = serializers.IntegerField()
    off_reason = serializers.CharField(
        allow_null=True,
        help_text="Why we turned it off, such as Stripe's code `card_declined`; null if not.",
    )
