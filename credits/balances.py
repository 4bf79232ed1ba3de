"""Reading balances as users see them, with the open grants and a key's caps."""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from credits import ledger, spending, sql

GRANTS_SHOWN = 100
"""How many open grants are shown, those that burn first. The balance includes all."""


@dataclass(frozen=True)
class OpenGrant:
    """A grant with credits that can be spent."""

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
    """The usage of an API key; ``available`` is the balance, limited by the key's caps."""

    available: int


@dataclass(frozen=True)
class Balance:
    """A user's spendable credits, and their open grants in the order of burning."""

    balance: int
    grants: list[OpenGrant]
    key: KeyBalance | None
    """The balance of the requesting API key, or None if a person asks."""


@dataclass(frozen=True)
class PastBalance:
    """A user's balance at a past time."""

    balance: int
    at: datetime
    key: None = None


def read_balance(*, user_id: UUID, api_key_id: UUID | None = None) -> Balance:
    """Return the current balance, and what the API key may spend of it."""
    grants = [OpenGrant(*row) for row in sql.run("open_grants", user_id=user_id)]
    balance = sum(grant.remaining for grant in grants)
    key = None if api_key_id is None else _get_key_balance(api_key_id, balance)
    return Balance(balance, grants[:GRANTS_SHOWN], key)


def _get_key_balance(api_key_id: UUID, balance: int) -> KeyBalance:
    usage = spending.get_usage(api_key_id=api_key_id)
    return KeyBalance(**asdict(usage), available=usage.get_available(balance))


def read_past_balance(*, user_id: UUID, at: datetime) -> PastBalance:
    """Return the balance at a past time; raises `credits.ledger.NoAccountError`."""
    return PastBalance(ledger.get_past_balance(user_id=user_id, at=at), at)
