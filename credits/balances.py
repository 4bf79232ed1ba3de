"""What users see of their credits: the balance, and what of it expires when."""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from credits import ledger, spending, sql

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
class KeyBalance(spending.KeyUsage):
    """What an API key may spend: ``available`` is the balance, or what its caps leave of it."""

    available: int


@dataclass(frozen=True)
class Balance:
    """Credits that can be spent now, and the grants that they are of in the order of burning."""

    balance: int
    grants: list[OpenGrant]
    key: KeyBalance | None
    """Where a key asks."""


@dataclass(frozen=True)
class PastBalance:
    """The balance as it was."""

    balance: int
    at: datetime
    key: None = None


def read_balance(*, user_id: UUID, api_key_id: UUID | None = None) -> Balance:
    """The balance as it stands, and what the key may spend of it."""
    grants = [OpenGrant(*row) for row in sql.run("open_grants", user_id=user_id)]
    balance = sum(grant.remaining for grant in grants)
    key = None if api_key_id is None else _of_key(api_key_id, balance)
    return Balance(balance, grants[:GRANTS_SHOWN], key)


def _of_key(api_key_id: UUID, balance: int) -> KeyBalance:
    standing = spending.get_usage(api_key_id=api_key_id)
    return KeyBalance(**asdict(standing), available=standing.left_of(balance))


def read_past_balance(*, user_id: UUID, at: datetime) -> PastBalance:
    """The balance of a past time; raises `credits.ledger.NoAccountError`."""
    return PastBalance(ledger.balance_at(user_id=user_id, at=at), at)
