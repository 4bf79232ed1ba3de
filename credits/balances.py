"""What users see of their credits: the balance, and what of it expires when."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from credits import ledger, sql

GRANTS_SHOWN = 100
"""Of an account, those that burn first; the balance is of all."""


@dataclass(frozen=True)
class OpenGrant:
    """A grant of which something can be spent."""

    id: int
    kind: str
    amount: int
    remaining: int
    priority: int
    expires_at: datetime | None
    description: str
    created_at: datetime


@dataclass(frozen=True)
class Balance:
    """Credits that can be spent now, and the grants that they are of in the order of burning."""

    balance: int
    grants: list[OpenGrant]


@dataclass(frozen=True)
class PastBalance:
    """The balance as it was."""

    balance: int
    at: datetime


def read(*, user_id: UUID) -> Balance:
    """The balance as it stands."""
    grants = [OpenGrant(*row) for row in sql.run("open_grants", user_id=user_id)]
    return Balance(sum(grant.remaining for grant in grants), grants[:GRANTS_SHOWN])


def read_at(*, user_id: UUID, at: datetime) -> PastBalance:
    """The balance of a past time; raises `credits.ledger.NoAccountError`."""
    return PastBalance(ledger.balance_at(user_id=user_id, at=at), at)
