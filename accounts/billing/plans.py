"""Bringing a customer's plan in line with their subscriptions at Stripe."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts.billing import client, clock, offers
from accounts.billing.errors import SetAsideError
from accounts.billing.models import BillingCustomer, SetAsideReason
from accounts.billing.stripe_objects import Subscription
from accounts.models import Plan
from accounts.subscriptions import set_plan

PAID = ("active", "trialing")
UNPAID = "past_due"


@dataclass(frozen=True)
class PaidPlan:
    """A plan and the time for which it applies: its paid period, with a grace for the renewal."""

    plan: Plan
    subscription_id: str
    starts: datetime
    ends: datetime

    @property
    def rank(self) -> tuple[int, datetime]:
        """Return the sort key by which the better plan is larger."""
        return Plan.values.index(self.plan), self.ends


def sync_plan(customer: BillingCustomer) -> None:
    """Give the customer the plan that they pay for; raises ``SetAsideError`` and Stripe's errors.

    Of several subscriptions the best counts. A paid plan replaces a plan that staff have given;
    without a paid plan, that one stays.
    """
    asked_at = clock.now()
    subscriptions = [
        subscription
        for subscription in client.list_subscriptions(customer.stripe_id)
        if subscription.status in (*PAID, UNPAID)
    ]
    paid_plans = [plan for plan in map(_find_paid_plan, subscriptions) if plan is not None]
    best = max((p for p in paid_plans if p.ends > asked_at), key=lambda p: p.rank, default=None)
    if best is not None or len(paid_plans) == len(subscriptions):
        _apply_plan(customer, best, asked_at)
    if len(paid_plans) < len(subscriptions):
        raise SetAsideError(SetAsideReason.UNKNOWN_PRICE, customer.stripe_id)


@transaction.atomic
def _apply_plan(customer: BillingCustomer, best: PaidPlan | None, asked_at: datetime) -> None:
    # A concurrent sync that asked Stripe later has the newer state, so it wins.
    stale_rows = BillingCustomer.objects.filter(pk=customer.pk, plan_checked_at__lt=asked_at)
    if not stale_rows.update(plan_checked_at=asked_at):
        return
    if best is not None:
        set_plan(
            user_id=customer.user_id,
            plan=best.plan,
            period_start=best.starts,
            period_end=best.ends,
            stripe_subscription_id=best.subscription_id,
        )
        return
    current = customer.user.subscription
    if current is not None and current.stripe_subscription_id is not None:
        set_plan(user_id=customer.user_id, plan=None)


def _find_paid_plan(subscription: Subscription) -> PaidPlan | None:
    """Return the plan of a subscription, or None if we do not sell any of its prices."""
    for item in subscription.items.data:
        offer = offers.find_plan(item.price.id)
        if offer is not None:
            starts = _to_datetime(item.current_period_start)
            ends = _compute_end(subscription, starts, _to_datetime(item.current_period_end))
            return PaidPlan(Plan(offer.name), subscription.id, starts, ends)
    return None


def _compute_end(subscription: Subscription, starts: datetime, ends: datetime) -> datetime:
    grace = timedelta(days=settings.BILLING_GRACE_DAYS)
    if subscription.status == UNPAID:  # The current period is not paid yet.
        return starts + grace
    if subscription.cancel_at is not None:
        return min(ends, _to_datetime(subscription.cancel_at))
    return ends if subscription.cancel_at_period_end else ends + grace


def _to_datetime(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
