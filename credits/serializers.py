"""The request and response bodies of the credits endpoints."""

from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers

from credits.balances import GRANTS_SHOWN
from credits.models import CreditTransaction, GrantKind


class BalanceQuerySerializer(serializers.Serializer[Any]):
    """Of which time."""

    at = serializers.DateTimeField(
        required=False, help_text="A past time: only the balance as it was then is told."
    )

    def validate_at(self, at: datetime) -> datetime:
        """Return the time; raises ``ValidationError`` for a time in the future."""
        if at > timezone.now():
            raise serializers.ValidationError("This is in the future.", code="future_time")
        return at


class OpenGrantSerializer(serializers.Serializer):
    """Credits that were given at once, and what is left of them."""

    kind = serializers.ChoiceField(GrantKind.choices)
    amount = serializers.IntegerField(help_text="What was given.")
    remaining = serializers.IntegerField(help_text="What can still be spent.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="null is never.")
    description = serializers.CharField()
    created_at = serializers.DateTimeField()


class KeyBalanceSerializer(serializers.Serializer):
    """What an API key may spend."""

    credits_per_day = serializers.IntegerField(allow_null=True, help_text="null is no cap.")
    credits_spent_today = serializers.IntegerField(help_text="Without what was refunded of it.")
    day_ends_at = serializers.DateTimeField(help_text="Of days of UTC.")
    credits_in_all = serializers.IntegerField(allow_null=True, help_text="null is no cap.")
    credits_spent = serializers.IntegerField(help_text="In all, without what was refunded.")
    available = serializers.IntegerField(
        help_text="What it may spend now: the balance, or less where a cap leaves less."
    )


class BalanceSerializer(serializers.Serializer):
    """A user's credits."""

    balance = serializers.IntegerField()
    grants = OpenGrantSerializer(
        many=True,
        required=False,
        help_text=f"What the balance is of, in the order in which it is spent; the first "
        f"{GRANTS_SHOWN}. Not told of a past time.",
    )
    key = KeyBalanceSerializer(
        allow_null=True,
        help_text="Of the API key that asks; null where a person does, and of a past time.",
    )
    at = serializers.DateTimeField(required=False, help_text="The time that was asked for.")


class CreditTransactionSerializer(serializers.ModelSerializer):
    """One ledger row: a positive amount added credits, a negative one took them."""

    job_id = serializers.UUIDField(allow_null=True)

    class Meta:
        model = CreditTransaction
        fields: ClassVar = [
            "id",
            "amount",
            "balance_after",
            "type",
            "description",
            "job_id",
            "created_at",
        ]
        read_only_fields = fields
