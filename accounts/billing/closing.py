"""Stopping the charges of an account that is closed, and resuming them if it is restored.

While the account can be restored, a paid subscription ends with its period and carries a mark at
Stripe by which we renew it, and automatic top-ups pause. Each step can be repeated. All functions
but ``unpause_top_ups`` log and raise ``NotYetError`` if Stripe does not answer.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction

from accounts.billing import client
from accounts.billing.client import BillingDisabledProblem, StripeAwayError, StripeRefusedError
from accounts.billing.models import AutoTopUp, BillingCustomer
from accounts.billing.plans import PAID
from accounts.billing.stripe_objects import Subscription, UnreadableError
from accounts.models import User
from auteur.core.personal_data import NotYetError, Steps

logger = logging.getLogger(__name__)

CLOSED = "account_closed"


def stop_charging(*, user_id: UUID) -> Steps:
    """Stop renewals and top-ups of an account that is closed but can be restored."""
    yield _pause_top_ups(user_id)
    with _translate_stripe_errors(user_id, can_wait=True):
        for subscription in _list_subscriptions(user_id):
            yield subscription  # The caller renews its lease right before the request to Stripe.
            with _ignore_missing():
                _stop_subscription(subscription)


def end_charging(*, user_id: UUID) -> Steps:
    """Cancel all subscriptions of an account that ends."""
    yield _pause_top_ups(user_id)
    with _translate_stripe_errors(user_id):
        for subscription in _list_subscriptions(user_id):
            yield subscription
            with _ignore_missing():
                client.cancel_subscription(subscription.id)


def resume_charging(*, user_id: UUID) -> Steps:
    """Resume the renewals that `stop_charging` stopped, and no others."""
    with _translate_stripe_errors(user_id), _ignore_missing():
        for customer in BillingCustomer.objects.filter(user_id=user_id):
            for subscription_id in client.list_stopped_renewals(customer.stripe_id):
                yield subscription_id
                with _ignore_missing():
                    client.resume_renewal(subscription_id)


def unpause_top_ups(*, user_id: UUID) -> None:
    """Turn paused top-ups on again, in the transaction that restores the account."""
    paused_rows = AutoTopUp.objects.filter(user_id=user_id, enabled=False, off_reason=CLOSED)
    paused_rows.update(enabled=True, off_reason=None)


@transaction.atomic
def _pause_top_ups(user_id: UUID) -> int:
    """Turn top-ups off, unless the account was restored meanwhile, which also locks the user."""
    locked_users = User.objects.select_for_update(no_key=True).filter(pk=user_id)
    if not locked_users.exclude(closing_at=None):
        return 0
    rows = AutoTopUp.objects.filter(user_id=user_id, enabled=True)
    return rows.update(enabled=False, off_reason=CLOSED)


def _list_subscriptions(user_id: UUID) -> list[Subscription]:
    customer = BillingCustomer.objects.filter(user_id=user_id).first()
    if customer is not None:
        with _ignore_missing():
            return client.list_subscriptions(customer.stripe_id)
    return []


def _stop_subscription(subscription: Subscription) -> None:
    """Stop the renewal of a paid subscription, and cancel an unpaid one.

    An unpaid subscription has nothing to lose, and would be charged for later.
    """
    if subscription.status not in PAID:
        client.cancel_subscription(subscription.id)
    elif not _is_ending(subscription):
        client.stop_renewal(subscription.id)


def _is_ending(subscription: Subscription) -> bool:
    """Return True if its user has cancelled it already, so that we must not renew it."""
    period_end = max((item.current_period_end for item in subscription.items.data), default=0)
    cancel_at = subscription.cancel_at
    return subscription.cancel_at_period_end or (cancel_at is not None and cancel_at <= period_end)


@contextmanager
def _ignore_missing() -> Iterator[None]:
    """Ignore Stripe's error for an object that it does not know, which it cannot charge for."""
    try:
        yield
    except StripeRefusedError as exc:
        if exc.code != client.MISSING:
            raise


@contextmanager
def _translate_stripe_errors(user_id: UUID, *, can_wait: bool = False) -> Iterator[None]:
    try:
        yield
    except BillingDisabledProblem:
        logger.error("user %s: billing is disabled, subscriptions stay unchanged", user_id)  # noqa: TRY400
    except (StripeAwayError, StripeRefusedError, UnreadableError) as exc:
        is_outage = isinstance(exc, StripeAwayError)
        level = logging.WARNING if can_wait and is_outage else logging.ERROR
        logger.log(
            level, "user %s: a request to Stripe failed: %s %s", user_id, type(exc).__name__, exc
        )
        raise NotYetError("Stripe did not change the subscriptions. Try again.") from exc
