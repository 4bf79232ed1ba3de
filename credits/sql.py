"""The statements of `credits/queries.sql`, and the ledger's CTEs for statements of other apps."""

from pathlib import Path
from typing import Any

from auteur.core.database import execute, read_statements
from credits.models import GrantKind, TransactionType

STATEMENTS = read_statements(
    Path(__file__).with_name("queries.sql"),
    USAGE=f"'{TransactionType.USAGE.value}'",
    ADJUSTMENT=f"'{TransactionType.ADJUSTMENT.value}'",
    REFUND_GRANT=f"'{GrantKind.REFUND.value}'",
)


def run(name: str, **values: Any) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows; raises Django's database errors."""
    return execute(STATEMENTS[name], values)


def build_charge_ctes(*, account: str, usage: str, charges: str, user_id: str, when: str) -> str:
    """Return two CTEs, named ``account`` and ``usage``, that take several charges at once.

    ``charges`` names a CTE with ``place``, ``job_id``, ``cost`` (above zero) and ``description``;
    the ledger rows are written in the order of ``place``. ``user_id`` and ``when`` are expressions
    for the charged user and the condition. ``account`` has the ``user_id``, if the account exists
    and anything was charged. If the grants do not cover all charges, the trigger that draws them
    raises the error of the balance's check, and the whole statement fails.
    """
    return STATEMENTS["charge"].format(
        account=account, usage=usage, charges=charges, user_id=user_id, when=when
    )


def build_spending_cte(*, spending: str, account: str, charges: str, api_key_id: str) -> str:
    """Return a CTE, named ``spending``, that counts the charges to an API key within its caps.

    ``account`` and ``charges`` name the CTEs of `build_charge_ctes`; ``api_key_id`` is an
    expression. The CTE has no row if there is no key, nothing was charged, or a cap forbids it.
    """
    return STATEMENTS["spend"].format(
        spending=spending, account=account, charges=charges, api_key_id=api_key_id
    )
