"""Balances and the ledger. The database enforces the rules by checks, indexes and triggers."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Credits(models.Model):
    """One user's balance; written by `credits.ledger` alone, never below zero (check)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID())
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="credits"
    )
    balance = models.IntegerField(default=0, db_default=0)
    seq = models.BigIntegerField(
        default=0, db_default=0, help_text="How many ledger rows this account has."
    )
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "credits"
        verbose_name_plural = "credits"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(balance__gte=0), name="credits_balance_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.balance} credits"


class TransactionType(models.TextChoices):
    """Why credits moved."""

    SUBSCRIPTION = "subscription", "Subscription"
    USAGE = "usage", "Usage"
    REFUND = "refund", "Refund"
    BONUS = "bonus", "Bonus"


class CreditTransaction(models.Model):
    """One ledger row; never updated or deleted (trigger).

    ``seq`` counts an account's rows without gaps, so that ``balance_after`` can be checked in
    order. A job has at most one usage and one refund row (indexes), and its refund is at most its
    usage (trigger).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID())
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="credit_transactions"
    )
    seq = models.BigIntegerField()
    amount = models.IntegerField(help_text="Positive adds, negative deducts.")
    balance_after = models.IntegerField()
    type = models.CharField(max_length=50, choices=TransactionType)
    description = models.TextField(blank=True, default="", db_default="")
    job = models.ForeignKey(
        "jobs.Job",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="credit_transactions",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "credit_transactions"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "seq"], name="credit_transactions_seq"),
            models.UniqueConstraint(
                fields=["job"],
                condition=Q(type=TransactionType.USAGE),
                name="credit_transactions_one_usage_per_job",
            ),
            models.UniqueConstraint(
                fields=["job"],
                condition=Q(type=TransactionType.REFUND),
                name="credit_transactions_one_refund_per_job",
            ),
            models.CheckConstraint(
                condition=Q(type__in=TransactionType.values),
                name="credit_transactions_type_known",
            ),
            models.CheckConstraint(
                condition=Q(type=TransactionType.USAGE, amount__lt=0, job__isnull=False)
                | Q(type=TransactionType.REFUND, amount__gt=0, job__isnull=False)
                | Q(
                    type__in=[TransactionType.SUBSCRIPTION, TransactionType.BONUS],
                    job__isnull=True,
                ),
                name="credit_transactions_amount_fits_type",
            ),
            models.CheckConstraint(
                condition=Q(balance_after__gte=0),
                name="credit_transactions_balance_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.amount:+d}"
