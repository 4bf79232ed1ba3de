"""Users and their plans. Each rule names what enforces it."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower, Now

from accounts.api_keys.models import ApiKey
from accounts.staff.models import Authenticator, RecoveryCodes, StaffEvent
from auteur.database import execute

__all__ = [  # Django looks here for models
    "ApiKey",
    "Authenticator",
    "Plan",
    "RecoveryCodes",
    "StaffEvent",
    "Subscription",
    "SubscriptionStatus",
    "User",
]


class User(AbstractBaseUser, PermissionsMixin):
    """A person; ``id`` is the token's ``sub``. Anonymised on request, never deleted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID())
    email = models.CharField(max_length=255, unique=True)
    name = models.CharField(max_length=255, blank=True, default="", db_default="")
    avatar_url = models.TextField(blank=True, default="", db_default="")
    is_staff = models.BooleanField(default=False, db_default=False)
    is_active = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = BaseUserManager["User"]()

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
        """The subscription in force now; asks the database each time."""
        return self.subscriptions.in_force().first()

    @property
    def plan(self) -> str | None:
        """The plan in force now, if there is one; asks the database each time."""
        rows = execute(PLAN, {"user_id": self.pk})
        return str(rows[0][0]) if rows else None


class Plan(models.TextChoices):
    """What a subscription pays for."""

    STARTER = "starter", "Starter"
    PRO = "pro", "Pro"


class SubscriptionStatus(models.TextChoices):
    """Whether the plan is in force."""

    ACTIVE = "active", "Active"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


IN_FORCE = f"""status = '{SubscriptionStatus.ACTIVE.value}'
    AND (current_period_end IS NULL OR current_period_end > statement_timestamp())"""
PLAN = f"SELECT plan FROM subscriptions WHERE user_id = %(user_id)s AND {IN_FORCE}"  # noqa: S608
"""Prepared by the server, for each submission asks."""


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    """Subscriptions by whether they count."""

    def in_force(self) -> "SubscriptionQuerySet":
        """Those that are active and whose period, if it has an end, has not ended."""
        return self.filter(RawSQL(IN_FORCE, (), models.BooleanField()))  # noqa: S611


class Subscription(models.Model):
    """A plan over a period; at most one is active per user (unique index)."""

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
