"""The profile that users read and change."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models.functions import Now

from accounts.models import Subscription, User
from credits import ledger
from media import quota


@dataclass(frozen=True)
class Balance:
    """The user's credits, as a profile shows them."""

    balance: int


@dataclass(frozen=True)
class Storage:
    """How much of the room for media is taken; without a limit where the plan has none."""

    used_bytes: int
    limit_bytes: int | None


@dataclass(frozen=True)
class Profile:
    """A user with plan and balance; what is not set is ``None``."""

    id: UUID
    email: str
    name: str
    avatar_url: str | None
    subscription: Subscription | None
    credits: Balance
    storage: Storage
    closing_at: datetime | None
    """When the account ends, as its user asked for."""


def read_profile(*, user: User) -> Profile:
    """The profile as it stands."""
    subscription = user.subscription
    return Profile(
        id=user.pk,
        email=user.email,
        name=user.name,
        avatar_url=user.avatar_url or None,
        subscription=subscription,
        credits=Balance(ledger.balance_of(user_id=user.pk)),
        storage=Storage(
            quota.count_used_bytes(user.pk),
            quota.get_limit(subscription.plan if subscription else None),
        ),
        closing_at=user.closing_at,
    )


def update_profile(
    *, user: User, name: str | None = None, avatar_url: str | None = None
) -> Profile:
    """Change what is given; an empty string takes it away."""
    given = {"name": name, "avatar_url": avatar_url}
    changes = {field: value for field, value in given.items() if value is not None}
    if changes:
        User.objects.filter(pk=user.pk, is_active=True).update(**changes, updated_at=Now())
        user.refresh_from_db()
    return read_profile(user=user)
