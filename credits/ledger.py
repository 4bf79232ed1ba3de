"""The ledger: each movement of credits is one statement, inside the caller's transaction.

What a job costs is taken by the statement that submits it, of which `credits.sql.charge_ctes` is a
part. All others lock the account first: their statement then sees all earlier changes of it.

Invariants, and what enforces them: the balance is the sum of the rows and of what remains of open
grants (check, on the account's row) and never negative (check); ``seq`` counts an account's rows
without gaps and ``balance_after`` chains along it (the credits row is updated, and so locked,
before its ledger row is written); one usage and one refund per job (unique indexes); a refund is at
most the usage (trigger); a source gives once (unique).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from auteur.api.problems import Problem
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
"""Most credits in one movement, so that balances stay far from the column's range."""
MAX_PRIORITY = 1000
MAX_OPEN_GRANTS = 100
"""Of an account, beyond which none is given; refunds always find a place."""
BALANCE_CHECK = "credits_balance_not_negative"
TYPES = {
    GrantKind.PURCHASE: TransactionType.PURCHASE,
    GrantKind.SUBSCRIPTION: TransactionType.SUBSCRIPTION,
    GrantKind.PROMO: TransactionType.BONUS,
    GrantKind.ADJUSTMENT: TransactionType.ADJUSTMENT,
    GrantKind.REFUND: TransactionType.ADJUSTMENT,
}
"""What the ledger calls a grant of each kind; its own refunds are those of jobs."""
COLLECTED = "Refunded credits of a grant that had been taken back"
LATE_REFUND = "Refunds of credits that had expired"


class InsufficientCreditsProblem(Problem):
    """The balance does not cover what was asked for; nothing was taken."""

    status_code = 402
    default_code = "insufficient_credits"
    default_detail = "There are not enough credits for this."

    def __init__(self, *, balance: int, required: int) -> None:
        super().__init__(balance=balance, required=required)


class TooManyGrantsProblem(Problem):
    """The account has as many open grants as it can; nothing was given."""

    status_code = 409
    default_code = "too_many_grants"
    default_detail = f"The account has {MAX_OPEN_GRANTS} open grants: spend some of them first."


class NoGrantProblem(Problem):
    """The user has no such grant; nothing was taken."""

    status_code = 404
    default_code = "no_grant"
    default_detail = "There is no such grant."


class InvalidGrantError(AuteurError, ValueError):
    """What was to be given cannot be; ``field`` says which of its values is wrong."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class NoAccountError(AuteurError):
    """The user has no credits row."""


@dataclass(frozen=True)
class GrantBalance:
    """What withdrawals have left of grants, and how much of these is still owed."""

    kept: int
    owed: int


def open_account(*, user_id: UUID) -> None:
    """Make the user's credits row, once."""
    Credits.objects.get_or_create(user_id=user_id)


def balance_of(*, user_id: UUID) -> int:
    """What can be spent now; raises ``NoAccountError``.

    That is the balance, without what has expired and waits for its ledger row.
    """
    return _only(sql.run("spendable", user_id=user_id))


def balance_at(*, user_id: UUID, at: datetime) -> int:
    """The balance as the ledger has it for a past time; raises ``NoAccountError``."""
    return _only(sql.run("balance_at", user_id=user_id, at=at))


def has_account(*, user_id: UUID) -> bool:
    """Whether the user has a credits row."""
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
    """Give credits; returns the balance, which is the same if the ``source`` has given before.

    Lower priorities burn first, then what expires first, then what is older. ``by``: the member of
    staff who gives. Raises ``InvalidGrantError`` and ``TooManyGrantsProblem``.
    """
    _check(amount=amount, priority=priority, expires_at=expires_at)
    balance, open_grants = _lock(user_id)
    if source is not None and CreditGrant.objects.filter(source=source).exists():
        return balance
    if open_grants >= MAX_OPEN_GRANTS:
        raise TooManyGrantsProblem
    moved = _move(
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
    return moved[1] if moved else balance


def refund(
    *,
    user_id: UUID,
    amount: int,
    job_id: UUID,
    description: str = "",
    has_grace: bool = False,
) -> int:
    """Return what a job drew to the grants it came from; returns the balance.

    Credits keep the expiry of their grant: what has expired meanwhile cannot be spent. With
    ``has_grace``, because we failed, it can be for `REFUND_GRACE_DAYS` more, but not a second time
    (docs/decisions/0060). The database refuses a second refund.
    """
    _lock(user_id)
    moved = _move(
        "refund",
        user_id=user_id,
        type=TransactionType.REFUND,
        amount=amount,
        job_id=job_id,
        description=description,
        grace=timedelta(days=settings.REFUND_GRACE_DAYS) if has_grace else None,
        late=LATE_REFUND,
    )
    owed = _move("collect", user_id=user_id, type=TransactionType.ADJUSTMENT, description=COLLECTED)
    return (owed or moved or (0, 0))[1]


def revoke_grant(
    *,
    user_id: UUID,
    reason: str,
    source: str | None = None,
    grant_id: int | None = None,
    amount: int | None = None,
    by: UUID | None = None,
) -> int:
    """Take a grant back, all or so much of it; returns what was taken: at most what remains.

    The rest is owed: when a refund brings it back, it is taken. The user reads the ``reason``.
    ``by``: the member of staff who takes, kept with the row. Raises ``NoGrantProblem``.
    """
    if not reason.strip():
        raise ValueError("what is taken back needs a reason")
    if amount is not None and not 0 < amount <= MAX_AMOUNT:
        raise ValueError(f"between 1 and {MAX_AMOUNT} credits are taken back")
    _lock(user_id)
    named = {"source": source} if grant_id is None else {"pk": grant_id}
    found = CreditGrant.objects.filter(user_id=user_id, **named).first()
    if found is None or named == {"source": None}:
        raise NoGrantProblem
    moved = _move(
        "take_back",
        user_id=user_id,
        type=TransactionType.ADJUSTMENT,
        grant_ids=[found.pk],
        amount=amount,
        description=reason,
        by=by,
    )
    return -moved[0] if moved else 0


def get_grant_balance(*, user_id: UUID, sources: Sequence[str]) -> GrantBalance:
    """What is left of the grants of these sources, whatever was spent or staff took of them."""
    _lock(user_id)
    return GrantBalance(
        *sql.run("worth", user_id=user_id, grant_ids=_grants_of(user_id, sources))[0]
    )


def claw_back(*, user_id: UUID, sources: Sequence[str], amount: int, reason: str) -> None:
    """Take so much of grants back: what remains of the newest first; the rest is owed."""
    _lock(user_id)
    _move(
        "take_back",
        user_id=user_id,
        type=TransactionType.ADJUSTMENT,
        grant_ids=_grants_of(user_id, sources),
        amount=amount,
        description=reason,
        by=None,
    )


def forgive_debt(*, user_id: UUID, sources: Sequence[str], amount: int, reason: str) -> int:
    """Let go of what withdrawals still owe; returns how much that was: at most so much."""
    _lock(user_id)
    values = {"user_id": user_id, "grant_ids": _grants_of(user_id, sources)}
    owed = GrantBalance(*sql.run("worth", **values)[0]).owed
    _move("release", type=TransactionType.ADJUSTMENT, amount=amount, description=reason, **values)
    return min(owed, amount)


def _grants_of(user_id: UUID, sources: Sequence[str]) -> list[int]:
    found = CreditGrant.objects.filter(user_id=user_id, source__in=sources)
    return list(found.values_list("pk", flat=True))


def _check(*, amount: int, priority: int | None, expires_at: datetime | None) -> None:
    if not 0 < amount <= MAX_AMOUNT:
        raise InvalidGrantError("amount", f"a grant is between 1 and {MAX_AMOUNT} credits")
    if priority is not None and not 0 <= priority <= MAX_PRIORITY:
        raise InvalidGrantError("priority", f"a priority is between 0 and {MAX_PRIORITY}")
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidGrantError("expires_at", "a grant expires in the future")


def _lock(user_id: UUID) -> tuple[int, int]:
    """The account's balance and how many grants it has open, until the transaction ends."""
    if not connection.in_atomic_block:
        raise RuntimeError("a ledger movement needs its caller's transaction")
    rows = sql.run("lock", user_id=user_id)
    if not rows:
        raise NoAccountError
    return rows[0][0], rows[0][1]


def _move(statement: str, *, type: TransactionType, **values: Any) -> tuple[int, int] | None:
    """What was moved, and the balance; None where nothing was."""
    rows = sql.run(statement, **{"job_id": None, "type": type.value, **values})
    return (rows[0][0], rows[0][1]) if rows else None


def _only(rows: list[tuple[Any, ...]]) -> int:
    if not rows:
        raise NoAccountError
    return int(rows[0][0])
