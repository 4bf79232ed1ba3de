"""Users as Stripe's customers."""

from uuid import UUID

from django.db.models.functions import Now

from accounts.billing import client
from accounts.billing.errors import SetAsideError
from accounts.billing.models import BillingCustomer, SetAsideReason
from accounts.models import User


def of_user(user: User) -> BillingCustomer:
    """The user's, made at Stripe if need be; raises Stripe's errors."""
    known = BillingCustomer.objects.filter(user=user).first()
    if known is not None:
        return known
    stripe_id = client.create_customer(user_id=str(user.pk), email=user.email)
    made, _ = BillingCustomer.objects.get_or_create(user=user, defaults={"stripe_id": stripe_id})
    return made


def of_stripe_id(stripe_id: str | None) -> BillingCustomer:
    """One of ours; raises ``SetAsideError``."""
    found = BillingCustomer.objects.filter(stripe_id=stripe_id or "").first()
    if found is None:
        raise SetAsideError(SetAsideReason.UNKNOWN_CUSTOMER, stripe_id or "no customer")
    return found


def flag(user_id: UUID, reason: str) -> None:
    """Let staff look at the account; what it was flagged for first stays."""
    rows = BillingCustomer.objects.filter(user_id=user_id, flagged_at=None)
    rows.update(flagged_at=Now(), flag_reason=reason)
