"""Reading and changing a user's profile."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models.functions import Now

from accounts.models import Subscription, User
from credits import ledger
from media import quota


@dataclass(frozen=True)
class Balance:
    """The credit balance in a profile."""

    balance: int


@dataclass(frozen=True)
class Storage:
    """The used storage in a profile, and its quota, which is None if the plan has none."""

    used_bytes: int
    limit_bytes: int | None


@dataclass(frozen=True)
class Profile:
    """The profile of a user, with plan, balance and storage; unset values are ``None``."""

    id: UUID
    email: str
    name: str
    avatar_url: str | None
    subscription: Subscription | None
    credits: Balance
    storage: Storage
    closing_at: datetime | None
    """The time at which a closed account is erased; None if it is open."""


def read_profile(*, user: User) -> Profile:
    """Return the user's current profile."""
    subscription = user.subscription
    return Profile(
        id=user.pk,
        email=user.email,
        name=user.name,
        avatar_url=user.avatar_url or None,
        subscription=subscription,
        credits=Balance(ledger.get_balance(user_id=user.pk)),
        storage=Storage(
            quota.count_used_bytes(user.pk),
            quota.get_limit(subscription.plan if subscription else None),
        ),
        closing_at=user.closing_at,
    )


def update_profile(
    *, user: User, name: str | None = None, avatar_url: str | None = None
) -> Profile:
    """Change the values that are not None, and return the profile. An empty string clears one."""
    values = {"name": name, "avatar_url": avatar_url}
    changes = {field: value for field, value in values.items() if value is not None}
    if changes:
        User.objects.filter(pk=user.pk, is_active=True).update(**changes, updated_at=Now())
        user.refresh_from_db()
    return read_profile(user=user)
