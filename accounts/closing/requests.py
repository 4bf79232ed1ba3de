"""A user closes their account, or wants it back."""

from datetime import datetime, timedelta
from typing import cast

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from accounts.billing.closing import unpause_top_ups
from accounts.models import AccountClosing, BillingCustomer, User
from accounts.signup import AccountDeletedProblem
from auteur.api.problems import Problem

LAST_CALL = timedelta(minutes=1)
"""After which a worker that has lost its lease has no answer of Stripe's to come."""


class StaffAccountProblem(Problem):
    """Staff are not their own: another member takes their rights first."""

    status_code = 409
    default_code = "staff_account"
    default_detail = "An account of staff cannot be closed: have its rights taken away first."


class AccountClosingProblem(Problem):
    """Nothing new is taken for a closed account. ``closing_at``: when it ends for good."""

    status_code = 403
    default_code = "account_closing"
    default_detail = "This account is closed. Restore it (POST /users/me/restore) to go on."


@transaction.atomic
def request_closing(*, user: User) -> datetime:
    """Close the account, once however often it is asked for; returns when it ends for good.

    Raises ``StaffAccountProblem``.
    """
    found = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if found.is_staff:
        raise StaffAccountProblem
    if found.closing_at is None:
        days = timedelta(days=settings.ACCOUNT_CLOSING_DAYS)
        User.objects.filter(pk=user.pk).update(closing_at=Now() + days)
        AccountClosing.objects.create(user=found, due_at=Now() + _drop_work(found))
        found.refresh_from_db()
    return cast(datetime, found.closing_at)


@transaction.atomic
def restore_account(*, user: User) -> User:
    """The account as it was, but for what was cancelled; an open one is left as it is.

    What Stripe has to be told a worker tells it, later. Raises ``AccountDeletedProblem``.
    """
    found = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not found.is_active:
        raise AccountDeletedProblem
    if found.closing_at is not None:
        User.objects.filter(pk=user.pk).update(closing_at=None)
        unpause_top_ups(user_id=found.pk)
        pause = _drop_work(found)
        if BillingCustomer.objects.filter(user=found).exists():
            AccountClosing.objects.create(user=found, due_at=Now() + pause)
        found.refresh_from_db()
    return found


def _drop_work(user: User) -> timedelta:
    """Take the work from whoever is at it; returns after how long the next may begin."""
    rows = AccountClosing.objects.select_for_update().filter(user=user)
    is_held = any(row.holder is not None for row in rows)
    AccountClosing.objects.filter(user=user).delete()
    return LAST_CALL if is_held else timedelta(0)
