"""The application's role cannot mint credits: balances and ledger rows are compared at commit."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, ProgrammingError, connection, transaction

from accounts.models import User
from credits import ledger
from credits.models import Credits, CreditTransaction
from jobs.audit import ledger_audit
from tests.auteur.core.database.conftest import run

pytestmark = pytest.mark.usefixtures("as_application")

ROW = (
    "INSERT INTO credit_transactions (user_id, seq, amount, balance_after, type)"
    " SELECT user_id, seq + {ahead}, {amount}, balance + {after}, 'adjustment' FROM credits"
    " WHERE user_id = %s"
)
ACCOUNT = "UPDATE credits SET balance = balance + {amount}, seq = seq + {rows} WHERE user_id = %s"


@pytest.fixture
def way() -> str:
    """The pooler makes no difference to triggers."""
    return "direct"


@pytest.fixture
def account(user: User) -> User:
    """A user with a ledger of two rows: 100 credits, and 1 more."""
    with transaction.atomic():
        ledger.grant(user_id=user.pk, amount=1)
    return user


def commit(statements: list[str], account: User) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, [account.pk])


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param([ACCOUNT.format(amount=1000, rows=0)], id="a balance without a row"),
        pytest.param([ACCOUNT.format(amount=-1, rows=0)], id="a lower balance without a row"),
        pytest.param([ACCOUNT.format(amount=1000, rows=1)], id="a number without a row"),
        pytest.param([ACCOUNT.format(amount=0, rows=1)], id="a number alone"),
        pytest.param(
            ["UPDATE credits SET balance = 100, seq = 1 WHERE user_id = %s"],
            id="back to an earlier row",
        ),
        pytest.param([ROW.format(ahead=1, amount=1000, after=1000)], id="a row that moves nothing"),
        pytest.param(
            [ACCOUNT.format(amount=1000, rows=1), ROW.format(ahead=0, amount=1, after=0)],
            id="a row of another amount",
        ),
        pytest.param(
            [ACCOUNT.format(amount=1000, rows=2), ROW.format(ahead=0, amount=1000, after=0)],
            id="a row that follows none",
        ),
        pytest.param(
            [ACCOUNT.format(amount=1000, rows=1), ROW.format(ahead=0, amount=1001, after=1)],
            id="a row of another balance",
        ),
        pytest.param(
            [
                ACCOUNT.format(amount=1, rows=1),
                ROW.format(ahead=0, amount=1, after=0),
                ROW.format(ahead=1, amount=5, after=5),
            ],
            id="a row too many",
        ),
    ],
)
def test_what_does_not_add_up_is_refused_at_commit(account: User, statements: list[str]) -> None:
    with pytest.raises(IntegrityError):
        commit(statements, account)
    assert Credits.objects.get(user=account).balance == 101
    assert CreditTransaction.objects.filter(user=account).count() == 2
    assert ledger_audit.check().total == 0


def test_a_balance_cannot_be_given_to_another_account(
    account: User, make_user: Callable[..., User]
) -> None:
    other = make_user()
    with pytest.raises(ProgrammingError, match="permission denied"):
        run("DELETE FROM credits WHERE user_id = %s", other.pk)
    stranger = User.objects.create(email="stranger@example.com")
    with pytest.raises(IntegrityError):
        run("UPDATE credits SET user_id = %s WHERE user_id = %s", stranger.pk, account.pk)
    with pytest.raises(IntegrityError):
        run(
            "INSERT INTO credits (user_id, balance, seq, grant_ids, grant_remaining,"
            " grant_priorities, grant_expires_at)"
            " SELECT %s, balance, seq, grant_ids, grant_remaining, grant_priorities,"
            " grant_expires_at FROM credits WHERE user_id = %s",
            stranger.pk,
            account.pk,
        )
    assert not Credits.objects.filter(user=stranger).exists()


def test_what_adds_up_is_written(account: User) -> None:
    commit(3 * [ACCOUNT.format(amount=1, rows=1), ROW.format(ahead=0, amount=1, after=0)], account)
    assert Credits.objects.get(user=account).balance == 104
    assert CreditTransaction.objects.filter(user=account).latest("seq").balance_after == 104


def test_an_account_is_opened_and_moved_in_one_transaction() -> None:
    somebody = User.objects.create(email="somebody@example.com")
    with transaction.atomic():
        ledger.open_account(user_id=somebody.pk)
        for amount in (5, 6):
            ledger.grant(user_id=somebody.pk, amount=amount)
    assert Credits.objects.get(user=somebody).balance == 11


def test_who_moves_at_once_is_not_refused(account: User) -> None:
    errors: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(10):
                with transaction.atomic():
                    ledger.grant(user_id=account.pk, amount=1)
        except DatabaseError as exc:
            errors.append(exc)
        finally:
            connection.close()

    threads: list[Any] = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Credits.objects.get(user=account).balance == 141
    assert ledger_audit.check().total == 0
