"""Users as Stripe's customers.

Stripe's customers carry the id of our user. So a row that our database lost (a restore, a failover)
is adopted again, by the next event or before anything is bought, and nobody pays twice.
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
    """Return the user's customer; one that only Stripe knows is adopted. Raises Stripe's errors."""
    row = BillingCustomer.objects.filter(user=user).first()
    if row is not None:
        return row
    stripe_ids = client.list_customers(user_id=str(user.pk))
    if not stripe_ids:
        return None
    if len(stripe_ids) > 1:
        logger.warning("user %s has %d customers at Stripe", user.pk, len(stripe_ids))
    return _store(user, stripe_ids[0])


def get_or_create_customer(user: User) -> BillingCustomer:
    """The user's, made at Stripe if need be; raises Stripe's errors."""
    return find_customer(user) or _store(
        user, client.create_customer(user_id=str(user.pk), email=user.email)
    )


def get_customer(stripe_id: str | None) -> BillingCustomer:
    """Return one of our customers; raises ``SetAsideError`` and Stripe's errors.

    One that our books do not know is adopted where they carry the id of an account that has not
    ended and has no other customer.
    """
    row = BillingCustomer.objects.filter(stripe_id=stripe_id or "").first()
    if row is None and stripe_id:
        user = _find_user(client.find_user_id(stripe_id))
        row = _store(user, stripe_id) if user else None
    if row is None or row.stripe_id != stripe_id:
        raise SetAsideError(SetAsideReason.UNKNOWN_CUSTOMER, stripe_id or "no customer")
    return row


def _find_user(user_id: str | None) -> User | None:
    """Return the user, unless their account has ended."""
    try:
        key = UUID(user_id or "")
    except ValueError:
        return None  # of another program that uses the same account at Stripe
    return User.objects.exclude(is_active=False, closing_at__lte=Now()).filter(pk=key).first()


def _store(user: User, stripe_id: str) -> BillingCustomer:
    row, _ = BillingCustomer.objects.get_or_create(user=user, defaults={"stripe_id": stripe_id})
    return row


def flag_account(user_id: UUID, reason: str) -> None:
    """Let staff look at the account; what it was flagged for first stays."""
    rows = BillingCustomer.objects.filter(user_id=user_id, flagged_at=None)
    rows.update(flagged_at=Now(), flag_reason=reason)
