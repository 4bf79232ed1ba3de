"""Whoever closes their account is charged no more."""

from uuid import UUID

from accounts.billing import client
from accounts.billing.models import AutoTopUp, BillingCustomer


def stop_charging(*, user_id: UUID) -> None:
    """Cancel what the user subscribes to at Stripe, and buy nothing automatically any more.

    May be done again. Raises ``client.StripeAwayError``, ``client.StripeRefusedError``,
    ``objects.UnreadableError`` and, for a customer without a key of Stripe's,
    ``client.BillingDisabledProblem``: what is not cancelled is charged on.
    """
    AutoTopUp.objects.filter(user_id=user_id, enabled=True).update(
        enabled=False, off_reason="account_closed"
    )
    customer = BillingCustomer.objects.filter(user_id=user_id).first()
    if customer is None:
        return
    for subscription in client.subscriptions_of(customer.stripe_id):
        client.cancel(subscription.id)
