"""The ledger: each movement of credits is one statement, inside the caller's transaction.

A job's price is charged by the statement that submits the job, which contains
`credits.sql.build_charge_ctes`. All other movements lock the account first, so that their statement
sees all earlier changes of it.

Invariants, and what enforces them: the balance is the sum of the rows and of what remains of open
grants (check, on the account's row) and never negative (check); ``seq`` counts an account's rows
without gaps and ``balance_after`` chains along it (the credits row is updated, and so locked,
before its ledger row is written); one usage and one refund per job (unique indexes); a refund is at
most the usage (trigger); one grant per source (unique).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from auteur.core.api.problems import Problem
from credits import sql
from credits.models import (
    DEFAULT_PRIORITY,
    CreditGrant,
    Credits,
    GrantKind,
    TransactionType,
)
from gpu_tasks.runtime.errors import AuteurError

MAX_AMOUNT = 10_000_000
"""The most credits in one movement, so that balances stay far from the column's range."""
MAX_PRIORITY = 1000
MAX_OPEN_GRANTS = 100
"""How many open grants an account may have. Grants by refunds are not limited."""
BALANCE_CHECK = "credits_balance_not_negative"
TYPES = {
    GrantKind.PURCHASE: TransactionType.PURCHASE,
    GrantKind.SUBSCRIPTION: TransactionType.SUBSCRIPTION,
    GrantKind.PROMO: TransactionType.BONUS,
    GrantKind.ADJUSTMENT: TransactionType.ADJUSTMENT,
    GrantKind.REFUND: TransactionType.ADJUSTMENT,
}
"""The transaction type by the kind of the grant. The type ``REFUND`` is for jobs only."""
COLLECTED = "Refunded credits of a grant that had been taken back"
LATE_REFUND = "Refunds of credits that had expired"


class InsufficientCreditsProblem(Problem):
    """The balance is below the price. Nothing was charged."""

    status_code = 402
    default_code = "insufficient_credits"
    default_detail = "There are not enough credits for this. Buy more, or reduce the request."

    def __init__(self, *, balance: int, required: int) -> None:
        super().__init__(balance=balance, required=required)


class TooManyGrantsProblem(Problem):
    """The account has the maximum number of open grants. Nothing was granted."""

    status_code = 409
    default_code = "too_many_grants"
    default_detail = (
        f"The account has {MAX_OPEN_GRANTS} open grants, the maximum. Spend some credits first."
    )


class NoGrantProblem(Problem):
    """The user has no such grant. Nothing was revoked."""

    status_code = 404
    default_code = "no_grant"
    default_detail = "The user has no such grant."


class InvalidGrantError(AuteurError, ValueError):
    """A value of a grant is invalid; ``field`` names it."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class NoAccountError(AuteurError):
    """The user has no credits row."""


@dataclass(frozen=True)
class GrantBalance:
    """What revocations have left of grants, and the debt that is still outstanding, in credits."""

    remaining: int
    outstanding: int


def open_account(*, user_id: UUID) -> None:
    """Create the user's credits row, unless it exists."""
    Credits.objects.get_or_create(user_id=user_id)


def get_balance(*, user_id: UUID) -> int:
    """Return the spendable credits; raises ``NoAccountError``.

    These are the balance without expired credits whose ledger row is not written yet.
    """
    return _get_number(sql.run("spendable", user_id=user_id))


def get_past_balance(*, user_id: UUID, at: datetime) -> int:
    """Return the balance at a past time, from the ledger; raises ``NoAccountError``."""
    return _get_number(sql.run("balance_at", user_id=user_id, at=at))


def has_account(*, user_id: UUID) -> bool:
    """Return True if the user has a credits row."""
    return Credits.objects.filter(user_id=user_id).exists()


def grant(
    *,
    user_id: UUID,
    amount: int,
    kind: GrantKind = GrantKind.PROMO,
    expires_at: datetime | None = None,
    priority: int | None = None,
    source: str | None = None,
    description: str = "",
    by: UUID | None = None,
) -> int:
    """Grant credits and return the balance, which is unchanged if the ``source`` has a grant.

    Lower priorities burn first, then what expires first, then what is older. ``by`` is the member
    of staff who grants. Raises ``InvalidGrantError`` and ``TooManyGrantsProblem``.
    """
    _check_grant(amount=amount, priority=priority, expires_at=expires_at)
    balance, open_grants = _lock_account(user_id)
    if source is not None and CreditGrant.objects.filter(source=source).exists():
        return balance
    if open_grants >= MAX_OPEN_GRANTS:
        raise TooManyGrantsProblem
    movement = _run_movement(
        "grant",
        user_id=user_id,
        type=TYPES[kind],
        amount=amount,
        kind=kind.value,
        priority=DEFAULT_PRIORITY if priority is None else priority,
        expires_at=expires_at,
        source=source,
        description=description,
        by=by,
    )
    return movement[1] if movement else balance


def refund(
    *,
    user_id: UUID,
    amount: int,
    job_id: UUID,
    description: str = "",
    has_grace: bool = False,
) -> int:
    """Refund a job's credits to the grants they came from, and return the balance.

    Credits keep the expiry of their grant, so that expired ones cannot be spent. With
    ``has_grace``, for failures of ours, they can be spent for `REFUND_GRACE_DAYS` more, but not a
    second time (docs/decisions/0060). The database refuses a second refund.
    """
    _lock_account(user_id)
    movement = _run_movement(
        "refund",
        user_id=user_id,
        type=TransactionType.REFUND,
        amount=amount,
        job_id=job_id,
        description=description,
        grace=timedelta(days=settings.REFUND_GRACE_DAYS) if has_grace else None,
        late=LATE_REFUND,
    )
    # Credits of a revoked grant that come back pay its debt.
    collection = _run_movement(
        "collect", user_id=user_id, type=TransactionType.ADJUSTMENT, description=COLLECTED
    )
    return (collection or movement or (0, 0))[1]


def revoke_grant(
    *,
    user_id: UUID,
    reason: str,
    source: str | None = None,
    grant_id: int | None = None,
    amount: int | None = None,
    by: UUID | None = None,
) -> int:
    """Revoke a grant, or ``amount`` of it; return the revoked credits, at most what remains.

    The difference is a debt, which is collected when a refund returns credits of the grant. The
    user reads the ``reason``. ``by`` is the member of staff who revokes, stored with the row.
    Raises ``NoGrantProblem``.
    """
    if not reason.strip():
        raise ValueError("a revocation needs a reason")
    if amount is not None and not 0 < amount <= MAX_AMOUNT:
        raise ValueError(f"amount is {amount}: use 1 to {MAX_AMOUNT} credits")
    _lock_account(user_id)
    condition = {"source": source} if grant_id is None else {"pk": grant_id}
    row = CreditGrant.objects.filter(user_id=user_id, **condition).first()
    if row is None or condition == {"source": None}:
        raise NoGrantProblem
    movement = _run_movement(
        "revoke",
        user_id=user_id,
        type=TransactionType.ADJUSTMENT,
        grant_ids=[row.pk],
        amount=amount,
        description=reason,
        by=by,
    )
    return -movement[0] if movement else 0


def get_grant_balance(*, user_id: UUID, sources: Sequence[str]) -> GrantBalance:
    """Return what revocations have left of the grants of these sources, spent or not."""
    _lock_account(user_id)
    return GrantBalance(
        *sql.run("grant_balance", user_id=user_id, grant_ids=_list_grant_ids(user_id, sources))[0]
    )


def claw_back(*, user_id: UUID, sources: Sequence[str], amount: int, reason: str) -> None:
    """Claw back ``amount`` from grants, the newest first; what they cannot pay becomes a debt."""
    _lock_account(user_id)
    _run_movement(
        "revoke",
        user_id=user_id,
        type=TransactionType.ADJUSTMENT,
        grant_ids=_list_grant_ids(user_id, sources),
        amount=amount,
        description=reason,
        by=None,
    )


def forgive_debt(*, user_id: UUID, sources: Sequence[str], amount: int, reason: str) -> int:
    """Forgive at most ``amount`` of the debt of grants; return how much was forgiven."""
    _lock_account(user_id)
    values = {"user_id": user_id, "grant_ids": _list_grant_ids(user_id, sources)}
    debt = GrantBalance(*sql.run("grant_balance", **values)[0]).outstanding
    _run_movement(
        "forgive", type=TransactionType.ADJUSTMENT, amount=amount, description=reason, **values
    )
    return min(debt, amount)


def _list_grant_ids(user_id: UUID, sources: Sequence[str]) -> list[int]:
    grants = CreditGrant.objects.filter(user_id=user_id, source__in=sources)
    return list(grants.values_list("pk", flat=True))


def _check_grant(*, amount: int, priority: int | None, expires_at: datetime | None) -> None:
    if not 0 < amount <= MAX_AMOUNT:
        raise InvalidGrantError("amount", f"a grant must have 1 to {MAX_AMOUNT} credits")
    if priority is not None and not 0 <= priority <= MAX_PRIORITY:
        raise InvalidGrantError("priority", f"a priority must be from 0 to {MAX_PRIORITY}")
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidGrantError("expires_at", "the expiry must be in the future")


def _lock_account(user_id: UUID) -> tuple[int, int]:
    """Lock the account until the transaction ends; return its balance and number of open grants."""
    if not connection.in_atomic_block:
        raise RuntimeError("a ledger movement needs its caller's transaction")
    rows = sql.run("lock", user_id=user_id)
    if not rows:
        raise NoAccountError
    return rows[0][0], rows[0][1]


def _run_movement(
    statement: str, *, type: TransactionType, **values: Any
) -> tuple[int, int] | None:
    """Return the moved amount and the balance, or None if nothing was moved."""
    rows = sql.run(statement, **{"job_id": None, "type": type.value, **values})
    return (rows[0][0], rows[0][1]) if rows else None


def _get_number(rows: list[tuple[Any, ...]]) -> int:
    if not rows:
        raise NoAccountError
    return int(rows[0][0])
