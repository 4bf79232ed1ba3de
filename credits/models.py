"""The tables of balances, grants, corrections, the ledger and keys' spending.

The database enforces the rules by checks, indexes and triggers (docs/decisions/0036).
"""

from datetime import UTC, datetime
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import BigIntegerField, DateTimeField, Func, IntegerField, Q
from django.db.models.functions import Now

from auteur.core.database.conditions import OneOf
from auteur.core.database.keys import NewId, new_id

DEFAULT_PRIORITY = 100
"""The priority of grants of all kinds, so that the grant that expires first burns first."""


class GrantKind(models.TextChoices):
    """Why credits were granted."""

    PURCHASE = "purchase", "Purchase"
    SUBSCRIPTION = "subscription", "Subscription"
    PROMO = "promo", "Promo"
    ADJUSTMENT = "adjustment", "Adjustment"
    REFUND = "refund", "Refund"


class Credits(models.Model):
    """A user's account: the balance, never below zero (check), and the open grants.

    Only `credits.ledger` writes it. The grants are on the row in the order in which they burn, and
    their sum is the balance (check). So a movement locks and writes only this row. A trigger
    maintains the grants: it draws what the balance loses, or moves the ``wanted_parts``, which it
    clears before the row is stored.
    """

    id = models.UUIDField(primary_key=True, default=new_id, db_default=NewId())
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="credits"
    )
    balance = models.IntegerField(default=0, db_default=0)
    seq = models.BigIntegerField(
        default=0, db_default=0, help_text="How many ledger rows this account has."
    )
    grant_ids = ArrayField(BigIntegerField(), default=list, db_default=[])
    grant_remaining = ArrayField(IntegerField(), default=list, db_default=[])
    grant_priorities = ArrayField(IntegerField(), default=list, db_default=[])
    grant_expires_at = ArrayField(
        DateTimeField(null=True), default=list, db_default=[], help_text="Null: never."
    )
    wanted_parts = models.JSONField(
        null=True,
        blank=True,
        help_text="What a movement passes to the trigger; always null in a stored row.",
    )
    latest_parts = models.JSONField(
        null=True, blank=True, help_text="The changes of grants by the latest movement."
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
        indexes: ClassVar = [
            models.Index(
                Func("grant_expires_at", function="credits_next_expiry"),
                name="credits_by_next_expiry",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.balance} credits"


class CreditGrant(models.Model):
    """A grant of credits, as it was given; never updated or deleted (trigger).

    What remains of it is on the account's row.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="credit_grants"
    )
    kind = models.CharField(max_length=20, choices=GrantKind)
    amount = models.IntegerField()
    priority = models.IntegerField(
        default=DEFAULT_PRIORITY, db_default=DEFAULT_PRIORITY, help_text="The lowest burns first."
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Null: never.")
    source = models.CharField(
        max_length=200,
        null=True,
        blank=True,
        unique=True,
        help_text="The reason of the grant, such as a payment, which grants only once.",
    )
    description = models.TextField(blank=True, default="", db_default="")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="The member of staff who granted it.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "credit_grants"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(kind__in=GrantKind.values), name="credit_grants_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0), name="credit_grants_amount_is_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"


class CreditCorrection(models.Model):
    """A grant or revocation that a member of staff requests and a colleague has to approve.

    Nobody approves their own request or moves credits of their own account (checks).
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", help_text="Whose."
    )
    grant = models.ForeignKey(
        CreditGrant,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="The grant to revoke; null for a new grant.",
    )
    amount = models.IntegerField()
    kind = models.CharField(max_length=20, choices=GrantKind, default=GrantKind.ADJUSTMENT)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Null: never.")
    description = models.TextField(help_text="The client reads it.")
    reason = models.TextField(help_text="Staff read it.")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    is_approved = models.BooleanField(null=True, blank=True)

    class Meta:
        db_table = "credit_corrections"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(amount__gt=0), name="credit_corrections_amount_is_positive"
            ),
            models.CheckConstraint(
                condition=~Q(asked_by=models.F("user")), name="credit_corrections_not_of_their_own"
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True, decided_at__isnull=True, is_approved=None)
                | Q(decided_by__isnull=False, decided_at__isnull=False, is_approved=False)
                | Q(decided_by__isnull=False, decided_at__isnull=False, is_approved=True)
                & ~Q(decided_by=models.F("asked_by"))
                & ~Q(decided_by=models.F("user")),
                name="credit_corrections_approved_by_another",
            ),
        ]

    def __str__(self) -> str:
        verb = "Give" if self.grant_id is None else "Take back"
        return f"{verb} {self.amount}"


class TransactionType(models.TextChoices):
    """Why credits moved."""

    SUBSCRIPTION = "subscription", "Subscription"
    USAGE = "usage", "Usage"
    REFUND = "refund", "Refund"
    BONUS = "bonus", "Bonus"
    PURCHASE = "purchase", "Purchase"
    EXPIRY = "expiry", "Expiry"
    ADJUSTMENT = "adjustment", "Adjustment"


TYPES_WITHOUT_JOB = (
    TransactionType.SUBSCRIPTION,
    TransactionType.BONUS,
    TransactionType.PURCHASE,
    TransactionType.ADJUSTMENT,
)


class CreditTransaction(models.Model):
    """A row of the ledger; never updated or deleted (trigger).

    ``seq`` counts an account's rows without gaps, so that ``balance_after`` can be checked in
    order. A job has at most one usage and one refund row (index), and its refund is at most its
    usage (trigger).
    """

    id = models.UUIDField(primary_key=True, default=new_id, db_default=NewId())
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="credit_transactions",
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
        db_index=False,
        related_name="credit_transactions",
    )
    parts = models.JSONField(
        null=True,
        blank=True,
        help_text="What of the amount each grant gave or got; null in rows from before grants.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "credit_transactions"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "seq"], name="credit_transactions_seq"),
            # The rows of a job are one usage and one refund (by the next check).
            models.UniqueConstraint(
                fields=["job", "type"],
                condition=Q(job__isnull=False),
                name="credit_transactions_once_per_job",
            ),
            # This check is short, because each submission parses it again.
            models.CheckConstraint(
                condition=Q(job__isnull=True, type=TransactionType.EXPIRY, amount__lt=0)
                | Q(job__isnull=True) & Q(OneOf("type", TYPES_WITHOUT_JOB))
                | Q(job__isnull=False, type=TransactionType.USAGE, amount__lt=0)
                | Q(job__isnull=False, type=TransactionType.REFUND, amount__gt=0),
                name="credit_transactions_fit_their_type",
            ),
            models.CheckConstraint(
                condition=Q(balance_after__gte=0),
                name="credit_transactions_balance_not_negative",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["user"],
                condition=Q(type=TransactionType.ADJUSTMENT),
                name="credit_adjustments_of_user",
            ),
            # For the admin's list of all users' rows.
            models.Index(fields=["-created_at", "-seq"], name="credit_transactions_lately"),
            models.Index(
                fields=["type", "-created_at"],
                condition=~Q(type__in=[TransactionType.USAGE, TransactionType.REFUND]),
                name="credit_transactions_of_rare",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.amount:+d}"


class KeySpending(models.Model):
    """The spending of an API key, and its caps, which the statement that submits jobs enforces.

    The key's table belongs to an app above this one, so there is no foreign key. Only
    `credits.spending` and the statements of `credits.sql` write it.
    """

    api_key_id = models.UUIDField(primary_key=True)
    credits_per_day = models.IntegerField(null=True, blank=True, help_text="Cap; null: none.")
    credits_in_all = models.IntegerField(null=True, blank=True, help_text="Cap; null: none.")
    day = models.DateField(help_text="The UTC day of `spent_today`.")
    spent_today = models.BigIntegerField(
        default=0, help_text="Credits spent on `day`, without refunded ones."
    )
    spent = models.BigIntegerField(
        default=0, help_text="Credits spent in total, without refunded ones."
    )

    class Meta:
        db_table = "key_spending"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(spent_today__gte=0, spent__gte=0),
                name="key_spending_not_negative",
            ),
            models.CheckConstraint(
                condition=(Q(credits_per_day=None) | Q(credits_per_day__gte=0))
                & (Q(credits_in_all=None) | Q(credits_in_all__gte=0)),
                name="key_spending_caps_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.spent} credits"

    def count_spent_on(self, now: datetime) -> int:
        """Return what was spent on the UTC day of ``now``."""
        return self.spent_today if self.day >= now.astimezone(UTC).date() else 0
