"""The ledger: each movement of credits is one statement, inside the caller's transaction.

Invariants, and who keeps them: the balance is the sum of the rows and never negative (check);
``seq`` counts an account's rows without gaps and ``balance_after`` chains along it (the credits row
is updated, and so locked, before its ledger row is written); one usage and one refund per job
(unique indexes); a refund is at most the usage (trigger).
"""

from typing import Any
from uuid import UUID

from django.db import connection

from auteur.api.problems import Problem
from credits.models import Credits, TransactionType

MAX_AMOUNT = 10_000_000
"""Most credits in one movement; keeps balances far from the column's range."""

MOVE = """
account AS (
    UPDATE credits SET balance = balance + %(amount)s, seq = seq + 1, updated_at = now()
    WHERE user_id = %(user_id)s AND balance + %(amount)s >= 0
    RETURNING user_id, balance, seq
)"""
"""Changes the balance if it allows it; the row lock orders all movements of one account."""

RECORD = """
INSERT INTO credit_transactions (user_id, seq, amount, balance_after, type, description, job_id)
SELECT user_id, seq, %(amount)s, balance, %(type)s, %(description)s, %(job_id)s FROM account
RETURNING balance_after"""
"""Writes the row of the movement that ``MOVE`` made, if it made one."""

CHARGE = """
account AS (
    UPDATE credits SET balance = balance - %(total)s, seq = seq + %(charges)s, updated_at = now()
    WHERE user_id = %(user_id)s AND {gate}
    RETURNING user_id, balance, seq
)"""
"""Takes several charges at once. A balance that does not cover them is refused by its check, and
with it all that the statement did besides: see ``BALANCE_CHECK``."""

RECORD_CHARGES = """
usage AS (
    INSERT INTO credit_transactions (user_id, seq, amount, balance_after, type, description, job_id)
    SELECT account.user_id,
           account.seq - %(charges)s + row_number() OVER so_far,
           -charge.cost,
           account.balance + %(total)s - sum(charge.cost) OVER so_far,
           'usage', charge.description, charge.job_id
    FROM account, charge
    WINDOW so_far AS (ORDER BY charge.place)
)"""
"""Writes one row for each ``charge`` (``place``, ``job_id``, ``cost`` above zero, ``description``)
that ``CHARGE`` took, in the order of their places."""

BALANCE_CHECK = "credits_balance_not_negative"


class InsufficientCredits(Problem):
    """The balance does not cover what was asked for; nothing was taken."""

    status_code = 402
    default_code = "insufficient_credits"
    default_detail = "There are not enough credits for this."

    def __init__(self, *, balance: int, required: int) -> None:
        super().__init__(balance=balance, required=required)


class NoAccount(Exception):
    """The user has no credits row."""


def open_account(*, user_id: UUID) -> None:
    """Make the user's credits row, once."""
    Credits.objects.get_or_create(user_id=user_id)


def balance_of(*, user_id: UUID) -> int:
    """The balance now; raises ``NoAccount``."""
    balance = Credits.objects.filter(user_id=user_id).values_list("balance", flat=True).first()
    if balance is None:
        raise NoAccount
    return balance


def grant(
    *,
    user_id: UUID,
    amount: int,
    type: TransactionType = TransactionType.BONUS,
    description: str = "",
) -> int:
    """Add credits that nobody spent (a plan, a bonus); returns the new balance."""
    if not 0 < amount <= MAX_AMOUNT:
        raise ValueError(f"a grant is between 1 and {MAX_AMOUNT} credits")
    return _move(user_id=user_id, amount=amount, type=type, description=description)


def take(*, user_id: UUID, amount: int, job_id: UUID, description: str = "") -> int:
    """Charge a job; raises ``InsufficientCredits``. Returns the new balance."""
    return _move(
        user_id=user_id,
        amount=-amount,
        type=TransactionType.USAGE,
        description=description,
        job_id=job_id,
    )


def refund(*, user_id: UUID, amount: int, job_id: UUID, description: str = "") -> int:
    """Give back what a job took, once; a second refund of a job is refused by the database."""
    return _move(
        user_id=user_id,
        amount=amount,
        type=TransactionType.REFUND,
        description=description,
        job_id=job_id,
    )


def _move(
    *,
    user_id: UUID,
    amount: int,
    type: TransactionType,
    description: str,
    job_id: UUID | None = None,
) -> int:
    if not connection.in_atomic_block:
        raise RuntimeError("a ledger movement needs its caller's transaction")
    parameters: dict[str, Any] = {
        "user_id": user_id,
        "amount": amount,
        "type": type.value,
        "description": description,
        "job_id": job_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {MOVE} {RECORD}", parameters)
        row = cursor.fetchone()
    if row is None:
        raise InsufficientCredits(balance=balance_of(user_id=user_id), required=-amount)
    return int(row[0])
