"""The request and response bodies of the credits endpoints."""

from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers

from credits.balances import GRANTS_SHOWN
from credits.models import CreditTransaction, GrantKind


class BalanceQuerySerializer(serializers.Serializer[Any]):
    """The query of a balance."""

    at = serializers.DateTimeField(
        required=False, help_text="A past time, for the balance at that time, without grants."
    )

    def validate_at(self, at: datetime) -> datetime:
        """Return the time; raises ``ValidationError`` for a time in the future."""
        if at > timezone.now():
            raise serializers.ValidationError(
                "This time is in the future. Use a past one.", code="future_time"
            )
        return at


class OpenGrantSerializer(serializers.Serializer):
    """A grant of credits that can be spent."""

    kind = serializers.ChoiceField(GrantKind.choices)
    amount = serializers.IntegerField(help_text="How many credits were granted.")
    remaining = serializers.IntegerField(help_text="How many of them can still be spent.")
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="When they expire; null for never."
    )
    description = serializers.CharField()
    created_at = serializers.DateTimeField()


class KeyBalanceSerializer(serializers.Serializer):
    """The spending of an API key, and its caps."""

    credits_per_day = serializers.IntegerField(
        allow_null=True, help_text="How many credits it may spend in a UTC day; null for no cap."
    )
    credits_spent_today = serializers.IntegerField(
        help_text="Credits spent since midnight UTC, without refunded ones."
    )
    day_ends_at = serializers.DateTimeField(help_text="When the current UTC day ends.")
    credits_in_all = serializers.IntegerField(
        allow_null=True, help_text="How many credits it may spend in total; null for no cap."
    )
    credits_spent = serializers.IntegerField(
        help_text="Credits spent in total, without refunded ones."
    )
    available = serializers.IntegerField(
        help_text="How many credits it may spend now: the balance, or less if a cap leaves less."
    )


class BalanceSerializer(serializers.Serializer):
    """A user's balance."""

    balance = serializers.IntegerField()
    grants = OpenGrantSerializer(
        many=True,
        required=False,
        help_text=f"The first {GRANTS_SHOWN} grants of the balance, in the order in which they are "
        "spent. Not present for a past time.",
    )
    key = KeyBalanceSerializer(
        allow_null=True,
        help_text="The spending of the requesting API key; null for a person, and for a past time.",
    )
    at = serializers.DateTimeField(required=False, help_text="The requested past time.")


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
