"""What the credits endpoints answer."""

from typing import ClassVar

from rest_framework import serializers

from credits.models import CreditTransaction


class BalanceSerializer(serializers.Serializer):
    """A user's credits."""

    balance = serializers.IntegerField()


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
