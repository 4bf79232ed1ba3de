"""Changing a user's plan."""

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
    period_start: datetime | None = None,
    period_end: datetime | None = None,
    stripe_subscription_id: str | None = None,
) -> Subscription | None:
    """End the user's plan and begin another; ``None`` only ends it.

    Without ``period_end``, the plan does not end. The same plan of the same subscription at Stripe
    continues with its new period. The user's row is locked, which serializes concurrent changes.
    Raises ``User.DoesNotExist``.
    """
    User.objects.select_for_update(no_key=True).get(pk=user_id)
    period = {
        "current_period_start": period_start or timezone.now(),
        "current_period_end": period_end,
    }
    if plan is not None and stripe_subscription_id is not None:
        current = Subscription.objects.filter(
            user_id=user_id,
            status=SubscriptionStatus.ACTIVE,
            plan=plan,
            stripe_subscription_id=stripe_subscription_id,
        )
        if current.update(**period, updated_at=Now()):
            return current.get()
    _end_active_subscription(user_id)
    if plan is None:
        return None
    return Subscription.objects.create(
        user_id=user_id,
        plan=plan,
        status=SubscriptionStatus.ACTIVE,
        stripe_subscription_id=stripe_subscription_id,
        **period,
    )


def _end_active_subscription(user_id: UUID) -> None:
    active = Subscription.objects.filter(user_id=user_id, status=SubscriptionStatus.ACTIVE)
    lapsed = active.filter(current_period_end__lte=Now())
    lapsed.update(status=SubscriptionStatus.EXPIRED, updated_at=Now())
    active.update(status=SubscriptionStatus.CANCELLED, updated_at=Now())
