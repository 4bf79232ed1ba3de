"""The users who are customers at Stripe.

A customer at Stripe carries the id of our user. If a restore or failover loses our row, the next
event or purchase creates it again from that id, so that no user gets a second customer.
"""

import logging
from uuid import UUID

from django.db.models.functions import Now

from accounts.billing import client
from accounts.billing.errors import SetAsideError
from accounts.billing.models import BillingCustomer, SetAsideReason
from accounts.models import User

logger = logging.getLogger(__name__)


def find_customer(user: User) -> BillingCustomer | None:
    """Return the user's customer or None; raises Stripe's errors. Stores one only Stripe has."""
    row = BillingCustomer.objects.filter(user=user).first()
    if row is not None:
        return row
    stripe_ids = client.list_customers(user_id=str(user.pk))
    if not stripe_ids:
        return None
    if len(stripe_ids) > 1:
        logger.warning("user %s has %d customers at Stripe", user.pk, len(stripe_ids))
    return _store_customer(user, stripe_ids[0])


def get_or_create_customer(user: User) -> BillingCustomer:
    """Return the user's customer, created at Stripe if there is none; raises Stripe's errors."""
    return find_customer(user) or _store_customer(
        user, client.create_customer(user_id=str(user.pk), email=user.email)
    )


def get_customer(stripe_id: str | None) -> BillingCustomer:
    """Return the customer with this Stripe id; raises ``SetAsideError`` and Stripe's errors.

    A customer without a row gets one, if it carries the id of an account that has not ended and
    has no other customer.
    """
    row = BillingCustomer.objects.filter(stripe_id=stripe_id or "").first()
    if row is None and stripe_id:
        user = _find_user(client.find_user_id(stripe_id))
        row = _store_customer(user, stripe_id) if user else None
    if row is None or row.stripe_id != stripe_id:
        raise SetAsideError(SetAsideReason.UNKNOWN_CUSTOMER, stripe_id or "no customer")
    return row


def _find_user(user_id: str | None) -> User | None:
    """Return the user, or None if there is no such account or it has ended."""
    try:
        key = UUID(user_id or "")
    except ValueError:
        return None  # The customer belongs to another program with the same Stripe account.
    return User.objects.exclude(is_active=False, closing_at__lte=Now()).filter(pk=key).first()


def _store_customer(user: User, stripe_id: str) -> BillingCustomer:
    row, _ = BillingCustomer.objects.get_or_create(user=user, defaults={"stripe_id": stripe_id})
    return row


def flag_account(user_id: UUID, reason: str) -> None:
    """Flag the account for staff; an earlier flag keeps its reason."""
    rows = BillingCustomer.objects.filter(user_id=user_id, flagged_at=None)
    rows.update(flagged_at=Now(), flag_reason=reason)
