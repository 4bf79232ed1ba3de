"""The ledger: each movement of credits is one statement, inside the caller's transaction.

What a job costs is taken by the statement that submits it, of which `credits.sql.charge` is a part.

Invariants, and what enforces them: the balance is the sum of the rows and never negative (check);
``seq`` counts an account's rows without gaps and ``balance_after`` chains along it (the credits row
is updated, and so locked, before its ledger row is written); one usage and one refund per job
(unique indexes); a refund is at most the usage (trigger).
"""

from typing import Any
from uuid import UUID

from django.db import connection

from auteur.api.problems import Problem
from credits import sql
from credits.models import Credits, TransactionType
from gpu_tasks.runtime.errors import AuteurError

MAX_AMOUNT = 10_000_000
"""Most credits in one movement, so that balances stay far from the column's range."""
BALANCE_CHECK = "credits_balance_not_negative"


class InsufficientCreditsProblem(Problem):
    """The balance does not cover what was asked for; nothing was taken."""

    status_code = 402
    default_code = "insufficient_credits"
    default_detail = "There are not enough credits for this."

    def __init__(self, *, balance: int, required: int) -> None:
        super().__init__(balance=balance, required=required)


class NoAccountError(AuteurError):
    """The user has no credits row."""


def open_account(*, user_id: UUID) -> None:
    """Make the user's credits row, once."""
    Credits.objects.get_or_create(user_id=user_id)


def balance_of(*, user_id: UUID) -> int:
    """The balance now; raises ``NoAccountError``."""
    balance = Credits.objects.filter(user_id=user_id).values_list("balance", flat=True).first()
    if balance is None:
        raise NoAccountError
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
    return _add(user_id, amount, type, description)


def refund(*, user_id: UUID, amount: int, job_id: UUID, description: str = "") -> int:
    """Refund credits of a job; the database refuses a second refund."""
    return _add(user_id, amount, TransactionType.REFUND, description, job_id)


def _add(
    user_id: UUID, amount: int, type: TransactionType, description: str, job_id: UUID | None = None
) -> int:
    if not connection.in_atomic_block:
        raise RuntimeError("a ledger movement needs its caller's transaction")
    values: dict[str, Any] = {
        "user_id": user_id,
        "amount": amount,
        "type": type.value,
        "description": description,
        "job_id": job_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql.ADD, values)
        row = cursor.fetchone()
    if row is None:
        raise NoAccountError
    return int(row[0])
