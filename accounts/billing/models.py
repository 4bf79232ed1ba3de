"""The tables of billing: customers, events, payments and automatic top-ups.

No card data, names or addresses are stored; these stay at Stripe.
"""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

MAX_ID_LENGTH = 255
"""The longest id of Stripe that we accept."""


class BillingCustomer(models.Model):
    """The customer at Stripe of a user, created with their first attempt to buy."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="billing_customer",
    )
    stripe_id = models.CharField(max_length=MAX_ID_LENGTH, unique=True)
    flagged_at = models.DateTimeField(null=True)
    flag_reason = models.CharField(
        max_length=50, null=True, help_text="Why staff should look at the account."
    )
    plan_checked_at = models.DateTimeField(
        db_default=Now(), help_text="When the plan was last read from Stripe."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "billing_customers"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(flagged_at=None, flag_reason=None)
                | Q(flagged_at__isnull=False, flag_reason__isnull=False),
                name="billing_customers_flagged_have_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_id


class EventState(models.TextChoices):
    """The processing state of an event."""

    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    IGNORED = "ignored", "Ignored"
    SET_ASIDE = "set_aside", "Set aside"


class SetAsideReason(models.TextChoices):
    """Why an event was set aside."""

    UNKNOWN_CUSTOMER = "unknown_customer", "The customer is none of ours"
    CUSTOMER_MISMATCH = "customer_mismatch", "Paid by another customer than it was sold to"
    OTHER_CURRENCY = "other_currency", "Not in our currency"
    UNKNOWN_PRICE = "unknown_price", "A price that we do not sell"
    UNKNOWN_PAYMENT = "unknown_payment", "A payment for nothing that we sold"
    PERIOD_OVER = "period_over", "What was paid for is over already"
    TOO_MANY_GRANTS = "too_many_grants", "The account holds as many open grants as it can"
    OTHER_MODE = "other_mode", "A test among live events, or the reverse"
    GONE = "gone", "Stripe does not know what it is about"
    UNREADABLE = "unreadable", "Stripe's answer is not what we know"
    FAILED = "failed", "We failed, each time that we tried"


class BillingEvent(models.Model):
    """An event of Stripe's; the current state of its object is read when it is processed.

    ``holder``, ``due_at`` and ``tries`` belong to `auteur.core.work.leases`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    stripe_id = models.CharField(max_length=MAX_ID_LENGTH, unique=True)
    type = models.CharField(max_length=100)
    object_id = models.CharField(max_length=MAX_ID_LENGTH, blank=True)
    customer_id = models.CharField(
        max_length=MAX_ID_LENGTH,
        blank=True,
        help_text="Stripe's id of the customer, if the event names one.",
    )
    is_live = models.BooleanField()
    is_found = models.BooleanField(
        help_text="True if `stripe_sync` found the event, which the webhook had missed."
    )
    state = models.CharField(max_length=20, choices=EventState, default=EventState.WAITING)
    reason = models.CharField(max_length=50, choices=SetAsideReason, null=True)
    detail = models.CharField(max_length=500, blank=True, default="", db_default="")
    holder = models.CharField(max_length=255, null=True)
    due_at = models.DateTimeField(
        null=True,
        db_default=Now(),
        help_text="When to process it, or when the lease of its holder ends.",
    )
    tries = models.SmallIntegerField(default=0)
    happened_at = models.DateTimeField(help_text="When the event happened at Stripe.")
    received_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "billing_events"
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], condition=Q(state="waiting"), name="billing_events_due"
            ),
            models.Index(fields=["-happened_at", "-id"], name="billing_events_newest"),
            models.Index(fields=["customer_id"], name="billing_events_of_customer"),
            models.Index(fields=["object_id"], name="billing_events_of_object"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state=EventState.WAITING, due_at__isnull=False)
                | (~Q(state=EventState.WAITING) & Q(due_at=None, holder=None)),
                name="billing_events_waiting_are_due",
            ),
            models.CheckConstraint(
                condition=Q(state=EventState.SET_ASIDE, reason__isnull=False)
                | (~Q(state=EventState.SET_ASIDE) & Q(reason=None)),
                name="billing_events_set_aside_have_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.stripe_id}"


class PaymentKind(models.TextChoices):
    """The kind of a payment: for a period of a plan, or for a pack."""

    PLAN = "plan", "Plan"
    PACK = "pack", "Pack"


class BillingPayment(models.Model):
    """A payment, with the credits it bought and lost. One per invoice, or payment intent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="billing_payments"
    )
    stripe_id = models.CharField(max_length=MAX_ID_LENGTH, unique=True)
    kind = models.CharField(max_length=20, choices=PaymentKind)
    credits = models.IntegerField(help_text="Credits that the payment bought.")
    expires_at = models.DateTimeField(null=True, help_text="When these credits expire.")
    amount = models.BigIntegerField(help_text="Paid, in the smallest unit of the currency.")
    currency = models.CharField(max_length=3)
    lost = models.BigIntegerField(default=0, help_text="Refunded or disputed, in the same unit.")
    withdrawn = models.IntegerField(default=0, help_text="Credits that are no longer paid for.")
    taken = models.IntegerField(
        default=0, help_text="Of the withdrawn credits, those that could be clawed back."
    )
    returns = models.SmallIntegerField(
        default=0,
        help_text="How often credits were restored after a won dispute or a failed refund.",
    )
    checked_at = models.DateTimeField(
        db_default=Now(), help_text="When refunds and disputes were last read from Stripe."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "billing_payments"
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at", "-id"], name="billing_payments_of_user"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(
                    credits__gte=0,
                    amount__gte=0,
                    lost__gte=0,
                    taken__gte=0,
                    taken__lte=F("withdrawn"),
                    withdrawn__lte=F("credits"),
                ),
                name="billing_payments_take_back_at_most_what_was_bought",
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_id

    @property
    def shortfall(self) -> int:
        """Return the credits that were already spent when the money went back."""
        return self.withdrawn - self.taken


class AutoTopUp(models.Model):
    """A user's setting to buy a pack whenever their credits fall below a threshold."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="auto_top_up",
    )
    enabled = models.BooleanField()
    pack = models.CharField(max_length=50)
    threshold = models.IntegerField(
        help_text="The pack is bought when the balance falls below this."
    )
    monthly_cap = models.BigIntegerField(
        help_text="The most money to charge in a calendar month (UTC), in the smallest unit."
    )
    off_reason = models.CharField(max_length=100, null=True, help_text="Why we turned it off.")
    due_at = models.DateTimeField(db_default=Now(), help_text="When the balance is checked next.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "auto_top_ups"
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(enabled=True), name="auto_top_ups_due"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(threshold__gte=1, monthly_cap__gte=1), name="auto_top_ups_bounded"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pack} below {self.threshold}"


class TopUpState(models.TextChoices):
    """The state of an automatic top-up."""

    OPEN = "open", "Open"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"


class TopUp(models.Model):
    """An automatic purchase of a pack; the row is stored first, and the charge carries its id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="top_ups"
    )
    pack = models.CharField(max_length=50)
    credits = models.IntegerField()
    amount = models.BigIntegerField(help_text="In the smallest unit of the currency.")
    currency = models.CharField(max_length=3)
    payment_method = models.CharField(
        max_length=MAX_ID_LENGTH, help_text="Stripe's id of the payment method."
    )
    stripe_id = models.CharField(
        max_length=MAX_ID_LENGTH,
        null=True,
        help_text="Stripe's id of the payment intent, once it is known.",
    )
    state = models.CharField(max_length=20, choices=TopUpState, default=TopUpState.OPEN)
    error_code = models.CharField(max_length=100, null=True)
    due_at = models.DateTimeField(null=True, db_default=Now(), help_text="When to process it next.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "top_ups"
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(state="open"), name="top_ups_due"),
            models.Index(fields=["user", "-created_at", "-id"], name="top_ups_of_user"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(state=TopUpState.OPEN), name="top_ups_one_open"
            ),
            models.CheckConstraint(
                condition=Q(state=TopUpState.OPEN, due_at__isnull=False)
                | (~Q(state=TopUpState.OPEN) & Q(due_at=None)),
                name="top_ups_open_are_due",
            ),
            models.CheckConstraint(
                condition=Q(credits__gte=1, amount__gte=1), name="top_ups_of_something"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pack} ({self.state})"
