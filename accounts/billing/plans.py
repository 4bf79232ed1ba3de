"""Which plan a customer has by what Stripe says now."""

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
    """A plan, and for how long it is paid (or may be, until its renewal is)."""

    plan: Plan
    subscription_id: str
    starts: datetime
    ends: datetime

    @property
    def rank(self) -> tuple[int, datetime]:
        """Larger where it is more worth having."""
        return Plan.values.index(self.plan), self.ends


def sync_plan(customer: BillingCustomer) -> None:
    """Give the customer the plan that they pay for; raises ``SetAsideError`` and Stripe's errors.

    Of several subscriptions the best counts. Plans that staff have given are not ended, but give
    way to one that is paid for.
    """
    asked_at = clock.now()
    paid = [
        subscription
        for subscription in client.list_subscriptions(customer.stripe_id)
        if subscription.status in (*PAID, UNPAID)
    ]
    known = [plan for plan in map(_paid_plan, paid) if plan is not None]
    best = max((p for p in known if p.ends > asked_at), key=lambda p: p.rank, default=None)
    if best is not None or len(known) == len(paid):
        _apply_at(customer, best, asked_at)
    if len(known) < len(paid):
        raise SetAsideError(SetAsideReason.UNKNOWN_PRICE, customer.stripe_id)


@transaction.atomic
def _apply_at(customer: BillingCustomer, best: PaidPlan | None, asked_at: datetime) -> None:
    # Whoever asked later knows better.
    current = BillingCustomer.objects.filter(pk=customer.pk, plan_checked_at__lt=asked_at)
    if current.update(plan_checked_at=asked_at):
        _apply(customer, best)


def _apply(customer: BillingCustomer, best: PaidPlan | None) -> None:
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


def _paid_plan(subscription: Subscription) -> PaidPlan | None:
    """What a subscription gives; None where it is for nothing that we sell."""
    for item in subscription.items.data:
        offer = offers.find_plan(item.price.id)
        if offer is not None:
            starts, ends = _at(item.current_period_start), _at(item.current_period_end)
            ends = _end(subscription, starts, ends)
            return PaidPlan(Plan(offer.name), subscription.id, starts, ends)
    return None


def _end(subscription: Subscription, starts: datetime, ends: datetime) -> datetime:
    grace = timedelta(days=settings.BILLING_GRACE_DAYS)
    if subscription.status == UNPAID:  # for the period that has begun
        return starts + grace
    if subscription.cancel_at is not None:
        return min(ends, _at(subscription.cancel_at))
    return ends if subscription.cancel_at_period_end else ends + grace


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
