"""A user's requests to close their account and to restore it."""

from datetime import datetime, timedelta
from typing import cast

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from accounts.billing.closing import unpause_top_ups
from accounts.models import AccountClosing, BillingCustomer, User
from accounts.signup import AccountDeletedProblem
from auteur.core.api.problems import Problem

LAST_CALL = timedelta(minutes=1)
"""After this time a worker that lost its lease has no request to Stripe in progress."""


class StaffAccountProblem(Problem):
    """The account belongs to staff, so it cannot be closed before its rights are removed."""

    status_code = 409
    default_code = "staff_account"
    default_detail = (
        "An account of staff cannot be closed. Ask a superuser to remove its staff rights first."
    )


class AccountClosingProblem(Problem):
    """The account is closed and accepts nothing new. It is erased at ``closing_at``."""

    status_code = 403
    default_code = "account_closing"
    default_detail = "This account is closed. Restore it (POST /users/me/restore) to use it again."


@transaction.atomic
def request_closing(*, user: User) -> datetime:
    """Close the account and return when it ends; a repetition returns the same time.

    Raises ``StaffAccountProblem``.
    """
    locked_user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if locked_user.is_staff:
        raise StaffAccountProblem
    if locked_user.closing_at is None:
        days = timedelta(days=settings.ACCOUNT_CLOSING_DAYS)
        User.objects.filter(pk=user.pk).update(closing_at=Now() + days)
        pause = _delete_closing(locked_user)
        AccountClosing.objects.create(user=locked_user, due_at=Now() + pause)
        locked_user.refresh_from_db()
    return cast(datetime, locked_user.closing_at)


@transaction.atomic
def restore_account(*, user: User) -> User:
    """Restore a closed account and return it; an open account stays unchanged.

    What the closing cancelled stays cancelled. A worker later resumes the renewals at Stripe.
    Raises ``AccountDeletedProblem``.
    """
    locked_user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not locked_user.is_active:
        raise AccountDeletedProblem
    if locked_user.closing_at is not None:
        User.objects.filter(pk=user.pk).update(closing_at=None)
        unpause_top_ups(user_id=locked_user.pk)
        pause = _delete_closing(locked_user)
        if BillingCustomer.objects.filter(user=locked_user).exists():
            AccountClosing.objects.create(user=locked_user, due_at=Now() + pause)
        locked_user.refresh_from_db()
    return locked_user


def _delete_closing(user: User) -> timedelta:
    """Delete the user's closing, also from a worker; return how long the next one has to wait."""
    rows = AccountClosing.objects.select_for_update().filter(user=user)
    is_claimed = any(row.holder is not None for row in rows)
    AccountClosing.objects.filter(user=user).delete()
    return LAST_CALL if is_claimed else timedelta(0)
