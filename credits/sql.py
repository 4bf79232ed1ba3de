"""The statements of `credits.queries.sql`, and the ledger's part in statements of other rooms."""

from pathlib import Path
from typing import Any

from auteur.database import execute, statements
from credits.models import GrantKind, TransactionType

STATEMENTS = statements(
    Path(__file__).with_name("queries.sql"),
    USAGE=f"'{TransactionType.USAGE.value}'",
    ADJUSTMENT=f"'{TransactionType.ADJUSTMENT.value}'",
    REFUND_GRANT=f"'{GrantKind.REFUND.value}'",
)


def run(name: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement; raises Django's database errors."""
    return execute(STATEMENTS[name], values)


def charge_ctes(*, account: str, usage: str, charges: str, user_id: str, when: str) -> str:
    """Two CTEs, named ``account`` and ``usage``, that take several charges at once.

    ``charges`` names a CTE with ``place``, ``job_id``, ``cost`` (above zero) and ``description``:
    ledger rows come in the order of places. ``user_id`` and ``when`` are expressions: whose balance
    is charged, and what must hold first. ``account`` then has the ``user_id``, if there is one and
    anything was charged. Grants that do not cover all are refused by the trigger that draws them,
    as if by the balance's check, and with it whatever else the statement did.
    """
    return STATEMENTS["charge"].format(
        account=account, usage=usage, charges=charges, user_id=user_id, when=when
    )


def spending_cte(*, spending: str, account: str, charges: str, api_key_id: str) -> str:
    """A CTE, named ``spending``, that counts the charges to an API key, if its caps allow it.

    ``account`` and ``charges`` name the CTEs of `charge_ctes`, ``api_key_id`` is an expression. The
    CTE has no row where there is no key, nothing was charged, or a cap forbids it.
    """
    return STATEMENTS["spend"].format(
        spending=spending, account=account, charges=charges, api_key_id=api_key_id
    )
