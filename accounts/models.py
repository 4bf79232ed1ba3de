"""The tables of users, plans, closings and exports. Each rule names what enforces it."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower, Now

from accounts.api_keys.models import ApiKey
from accounts.billing.models import (
    AutoTopUp,
    BillingCustomer,
    BillingEvent,
    BillingPayment,
    TopUp,
)
from accounts.staff.models import Authenticator, RecoveryCodes, StaffEvent
from auteur.core.database import execute

__all__ = [  # Django imports only this module, so the models of the subpackages are listed here.
    "ApiKey",
    "Authenticator",
    "AutoTopUp",
    "BillingCustomer",
    "BillingEvent",
    "BillingPayment",
    "Plan",
    "RecoveryCodes",
    "StaffEvent",
    "Subscription",
    "SubscriptionStatus",
    "TopUp",
    "User",
]


# The reverse relation to second factors comes from django-otp, which has no types.
class User(AbstractBaseUser, PermissionsMixin):  # type: ignore[django-manager-missing]
    """A user; ``id`` is the token's ``sub``. Users are anonymised on request, never deleted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID())
    email = models.CharField(max_length=255, unique=True)
    name = models.CharField(max_length=255, blank=True, default="", db_default="")
    avatar_url = models.TextField(blank=True, default="", db_default="")
    is_staff = models.BooleanField(default=False, db_default=False)
    is_active = models.BooleanField(default=True, db_default=True)
    closing_at = models.DateTimeField(
        null=True, blank=True, help_text="When the closed account is erased."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = BaseUserManager["User"]()

    plan_at_request: str | None = None
    """The plan in force when this user's request began (`accounts.bearers`); not stored."""

    class Meta:
        db_table = "users"
        ordering: ClassVar = ["-created_at"]
        permissions: ClassVar = [
            ("view_content", "Can see what clients typed and made"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(email=Lower("email")), name="users_email_lower_case"
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def subscription(self) -> "Subscription | None":
        """Return the subscription in force now, or None; queries the database each time."""
        return self.subscriptions.in_force().first()

    @property
    def plan(self) -> str | None:
        """Return the plan in force now, or None; queries the database each time."""
        rows = execute(PLAN, {"user_id": self.pk})
        return str(rows[0][0]) if rows else None


class Plan(models.TextChoices):
    """A plan that users subscribe to."""

    STARTER = "starter", "Starter"
    PRO = "pro", "Pro"


class SubscriptionStatus(models.TextChoices):
    """The state of a subscription."""

    ACTIVE = "active", "Active"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


IN_FORCE = f"""status = '{SubscriptionStatus.ACTIVE.value}'
    AND (current_period_end IS NULL OR current_period_end > statement_timestamp())"""
PLAN = f"SELECT plan FROM subscriptions WHERE user_id = %(user_id)s AND {IN_FORCE}"  # noqa: S608
"""The query of a user's plan. The server prepares it, because each submission runs it."""


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    """A query set of subscriptions."""

    def in_force(self) -> "SubscriptionQuerySet":
        """Return the active subscriptions whose period has not ended."""
        return self.filter(RawSQL(IN_FORCE, (), models.BooleanField()))  # noqa: S611


class Subscription(models.Model):
    """A user's plan over a period; at most one per user is active (unique index)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID())
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="subscriptions")
    plan = models.CharField(max_length=50, choices=Plan)
    status = models.CharField(max_length=50, choices=SubscriptionStatus)
    stripe_subscription_id = models.CharField(max_length=255, null=True, blank=True)
    current_period_start = models.DateTimeField(null=True, blank=True)
    current_period_end = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        db_table = "subscriptions"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(plan__in=Plan.values), name="subscriptions_plan_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=SubscriptionStatus.values),
                name="subscriptions_status_known",
            ),
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(status=SubscriptionStatus.ACTIVE),
                name="subscriptions_one_active_per_user",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.plan} ({self.status})"


class ClosingStatus(models.TextChoices):
    """The state of a closing."""

    WAITING = "waiting", "Waiting"
    WORKING = "working", "Working"
    DONE = "done", "Done"


class AccountClosing(models.Model):
    """The closing of an account by its user; the row stays as a record.

    First the account's activity is stopped; then, at the user's ``closing_at``, it is erased.
    ``holder``, ``due_at`` and ``tries`` belong to `auteur.core.work.leases`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="closing")
    status = models.CharField(max_length=20, choices=ClosingStatus, default=ClosingStatus.WAITING)
    holder = models.CharField(max_length=255, null=True)
    due_at = models.DateTimeField(null=True, db_default=Now())
    tries = models.SmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "account_closings"
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="account_closings_due"
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status=ClosingStatus.DONE, due_at=None, holder=None)
                | Q(
                    status__in=[ClosingStatus.WAITING, ClosingStatus.WORKING],
                    due_at__isnull=False,
                    finished_at=None,
                ),
                name="account_closings_due_or_done",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.status}"


class ExportStatus(models.TextChoices):
    """The state of an export."""

    WAITING = "waiting", "Waiting"
    WORKING = "working", "Working"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"


OPEN_EXPORTS = (ExportStatus.WAITING, ExportStatus.WORKING)


class AccountExport(models.Model):
    """An archive of all data of an account; each user has one, which the next replaces.

    ``holder``, ``due_at`` and ``tries`` belong to `auteur.core.work.leases`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="export")
    with_media = models.BooleanField(default=False)
    status = models.CharField(max_length=20, choices=ExportStatus, default=ExportStatus.WAITING)
    progress = models.FloatField(default=0.0, help_text="Share done, 0 to 1.")
    holder = models.CharField(max_length=255, null=True)
    due_at = models.DateTimeField(null=True, db_default=Now())
    tries = models.SmallIntegerField(default=0)
    upload_id = models.TextField(default="", help_text="The storage's id of the unfinished upload.")
    upload_part_bytes = models.BigIntegerField(null=True)
    file_size_bytes = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "account_exports"
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="account_exports_due"
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=OPEN_EXPORTS, due_at__isnull=False, expires_at=None)
                | Q(
                    status__in=[ExportStatus.READY, ExportStatus.FAILED],
                    due_at=None,
                    holder=None,
                    expires_at__isnull=False,
                ),
                name="account_exports_due_or_over",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.status}"

    @property
    def object_key(self) -> str:
        """Return the storage key of the archive."""
        return f"users/{self.user_id}/exports/{self.pk}/export.zip"

    @property
    def is_open(self) -> bool:
        """Return True if the export waits for a worker or is being made."""
        return self.status in OPEN_EXPORTS


class RetentionWalk(models.Model):
    """The position of the scan that empties expired columns of one table."""

    name = models.CharField(max_length=50, primary_key=True)
    after = models.UUIDField(default=uuid.UUID(int=0), help_text="The last row that was read.")
    next_at = models.DateTimeField(db_default=Now(), help_text="When the next page may be read.")

    class Meta:
        db_table = "retention_walks"

    def __str__(self) -> str:
        return f"{self.name} after {self.after}"
