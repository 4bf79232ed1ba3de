"""Changing the plan of a user."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Plan, Subscription, SubscriptionStatus, User


@transaction.atomic
def set_plan(
    *,
    user_id: UUID,
    plan: Plan | None,
    period_end: datetime | None = None,
    stripe_subscription_id: str | None = None,
) -> Subscription | None:
    """End the user's plan and begin another; ``None`` only ends it. Without end if none is given.

    Raises ``User.DoesNotExist``. The user's row is locked, so that concurrent changes take turns.
    """
    User.objects.select_for_update(no_key=True).get(pk=user_id)
    _end_active(user_id)
    if plan is None:
        return None
    return Subscription.objects.create(
        user_id=user_id,
        plan=plan,
        status=SubscriptionStatus.ACTIVE,
        stripe_subscription_id=stripe_subscription_id,
        current_period_start=timezone.now(),
        current_period_end=period_end,
    )


def _end_active(user_id: UUID) -> None:
    active = Subscription.objects.filter(user_id=user_id, status=SubscriptionStatus.ACTIVE)
    lapsed = active.filter(current_period_end__lte=Now())
    lapsed.update(status=SubscriptionStatus.EXPIRED, updated_at=Now())
    active.update(status=SubscriptionStatus.CANCELLED, updated_at=Now())
