"""Whoever closes their account is charged no more, and goes on as before if they come back.

Until the account ends, a subscription that is paid ends with its period, and bears a mark at Stripe
that it is for us to renew; automatic top-ups pause. Each step may be done again. All but
``unpause_top_ups`` raise ``NotYetError``, with a line in the log, where Stripe does not answer.
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
from auteur.personal_data import NotYetError, Steps

logger = logging.getLogger(__name__)

CLOSED = "account_closed"


def stop_charging(*, user_id: UUID) -> Steps:
    """The account is closed, and may come back: what is paid is kept, and not renewed."""
    yield _pause_top_ups(user_id)
    with _asking_about(user_id, can_wait=True):
        for subscription in _subscriptions(user_id):
            yield subscription  # a lease is renewed right before Stripe is told
            with _unless_missing():
                _stop(subscription)


def end_charging(*, user_id: UUID) -> Steps:
    """The account is over: cancel all that is subscribed to."""
    yield _pause_top_ups(user_id)
    with _asking_about(user_id):
        for subscription in _subscriptions(user_id):
            yield subscription
            with _unless_missing():
                client.cancel_subscription(subscription.id)


def resume_charging(*, user_id: UUID) -> Steps:
    """The account is back: renew what ``stop_charging`` let end, and nothing else."""
    with _asking_about(user_id), _unless_missing():
        for customer in BillingCustomer.objects.filter(user_id=user_id):
            for subscription_id in client.list_stopped_renewals(customer.stripe_id):
                yield subscription_id
                with _unless_missing():
                    client.resume_renewal(subscription_id)


def unpause_top_ups(*, user_id: UUID) -> None:
    """Turn on again what closing turned off; in the transaction that restores the account."""
    paused = AutoTopUp.objects.filter(user_id=user_id, enabled=False, off_reason=CLOSED)
    paused.update(enabled=True, off_reason=None)


@transaction.atomic
def _pause_top_ups(user_id: UUID) -> int:
    """Unless the account has been restored meanwhile, which locks the user as well."""
    closed = User.objects.select_for_update(no_key=True).filter(pk=user_id)
    if not closed.exclude(closing_at=None):
        return 0
    rows = AutoTopUp.objects.filter(user_id=user_id, enabled=True)
    return rows.update(enabled=False, off_reason=CLOSED)


def _subscriptions(user_id: UUID) -> list[Subscription]:
    customer = BillingCustomer.objects.filter(user_id=user_id).first()
    if customer is not None:
        with _unless_missing():
            return client.list_subscriptions(customer.stripe_id)
    return []


def _stop(subscription: Subscription) -> None:
    """What is not paid is cancelled: nothing is lost by it, and it would be charged for later."""
    if subscription.status not in PAID:
        client.cancel_subscription(subscription.id)
    elif not _ends_by_itself(subscription):
        client.stop_renewal(subscription.id)


def _ends_by_itself(subscription: Subscription) -> bool:
    """Whether its user has cancelled it already, so that it is not for us to renew."""
    period_ends = max((one.current_period_end for one in subscription.items.data), default=0)
    ends = subscription.cancel_at
    return subscription.cancel_at_period_end or (ends is not None and ends <= period_ends)


@contextmanager
def _unless_missing() -> Iterator[None]:
    """What Stripe does not know is charged to nobody."""
    try:
        yield
    except StripeRefusedError as exc:
        if exc.code != client.MISSING:
            raise


@contextmanager
def _asking_about(user_id: UUID, *, can_wait: bool = False) -> Iterator[None]:
    try:
        yield
    except BillingDisabledProblem:
        logger.error("user %s: billing is disabled, Stripe is not asked", user_id)  # noqa: TRY400
    except (StripeAwayError, StripeRefusedError, UnreadableError) as exc:
        is_outage = isinstance(exc, StripeAwayError)
        level = logging.WARNING if can_wait and is_outage else logging.ERROR
        logger.log(level, "user %s: Stripe does not do it: %s %s", user_id, type(exc).__name__, exc)
        raise NotYetError("What is subscribed to at Stripe is not as it should be.") from exc
