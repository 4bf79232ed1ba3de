"""`manage.py grant_credits`."""

import io
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import User
from credits import ledger
from credits.models import CreditGrant, Credits, CreditTransaction
from tests.credits.books import stop_comparing_books

pytestmark = pytest.mark.django_db


def grant(email: str, amount: int | str, *more: str) -> str:
    out = io.StringIO()
    call_command("grant_credits", "--email", email, f"--amount={amount}", *more, stdout=out)
    return out.getvalue()


def test_credits_are_granted_with_a_reason(user: User) -> None:
    printed = grant(user.email.upper(), 50, "--reason", "Sorry for the outage")
    assert "50 credits" in printed
    assert "150" in printed
    row = CreditTransaction.objects.filter(user=user).latest("seq")
    assert (row.amount, row.balance_after, row.type) == (50, 150, "bonus")
    assert row.description == "Sorry for the outage"


def test_a_user_made_without_an_account_gets_one() -> None:
    user = User.objects.create(email="boss@example.com")
    grant(user.email, 3)
    assert ledger.get_balance(user_id=user.pk) == 3


def test_an_unknown_user_gets_nothing() -> None:
    with pytest.raises(CommandError, match=r"no user with the address nobody@example\.com"):
        grant("nobody@example.com", 5)
    assert not CreditTransaction.objects.exists()


def test_the_amount_has_bounds(user: User) -> None:
    grant(user.email, 1)
    grant(user.email, ledger.MAX_AMOUNT)
    before = ledger.get_balance(user_id=user.pk)
    for amount in (0, -1, ledger.MAX_AMOUNT + 1, 10**30, "1.5", "many"):
        with pytest.raises(CommandError, match="amount"):
            grant(user.email, amount)
    assert ledger.get_balance(user_id=user.pk) == before


def test_of_a_kind_and_until_a_time(user: User) -> None:
    grant(user.email, 5, "--kind", "purchase", "--expires-at", "2999-01-31T12:00")
    credit_grant = CreditGrant.objects.filter(user=user).latest("id")
    assert (credit_grant.kind, credit_grant.amount) == ("purchase", 5)
    assert credit_grant.expires_at == datetime(2999, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("wrong", ["2020-01-01", "soon"])
def test_not_until_a_time_that_is_over_or_none(user: User, wrong: str) -> None:
    with pytest.raises(CommandError, match="expires-at"):
        grant(user.email, 5, "--expires-at", wrong)
    assert ledger.get_balance(user_id=user.pk) == 100


def test_a_balance_cannot_leave_its_range(user: User) -> None:
    stop_comparing_books()
    Credits.objects.filter(user=user).update(balance=2**31 - 1)
    with pytest.raises(CommandError, match="range"):
        grant(user.email, 1)
