"""A user closes their account, or wants it back."""

from datetime import datetime, timedelta
from typing import cast

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from accounts.models import AccountClosing, User
from accounts.signup import AccountDeletedProblem
from auteur.api.problems import Problem


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
def close(*, user: User) -> datetime:
    """Close the account, once however often it is asked for; returns when it ends for good.

    Raises ``StaffAccountProblem``.
    """
    found = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if found.is_staff:
        raise StaffAccountProblem
    if found.closing_at is None:
        days = timedelta(days=settings.ACCOUNT_CLOSING_DAYS)
        User.objects.filter(pk=user.pk).update(closing_at=Now() + days)
        AccountClosing.objects.create(user=found)
        found.refresh_from_db()
    return cast(datetime, found.closing_at)


@transaction.atomic
def restore(*, user: User) -> User:
    """The account as it was, but for what was cancelled; an open one is left as it is.

    Raises ``AccountDeletedProblem``.
    """
    found = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not found.is_active:
        raise AccountDeletedProblem
    if found.closing_at is not None:
        User.objects.filter(pk=user.pk).update(closing_at=None)
        AccountClosing.objects.filter(user=found).delete()
        found.refresh_from_db()
    return found
