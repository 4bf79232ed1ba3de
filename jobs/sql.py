"""The statements of `jobs.queries.sql` by name, with the marks in them filled in once."""

from pathlib import Path
from typing import Any

from auteur.api import idempotency
from auteur.database import execute, statements
from credits import sql as ledger_sql
from credits.models import TransactionType
from jobs import states
from media.models import MediaStatus

STATEMENTS = statements(
    Path(__file__).with_name("queries.sql"),
    **states.literals(),
    MEDIA_READY=f"'{MediaStatus.READY.value}'",
    USAGE=f"'{TransactionType.USAGE.value}'",
    REFUND=f"'{TransactionType.REFUND.value}'",
    claim_key=idempotency.claim(into="key", when="EXISTS (TABLE media)"),
    charge=ledger_sql.charge(
        account="account",
        usage="usage",
        charges="charged",
        user_id="%(user_id)s",
        when="EXISTS (TABLE accepted)",
    ),
    spend=ledger_sql.spend(
        spending="spending",
        account="account",
        charges="charged",
        api_key_id="%(api_key_id)s::uuid",
    ),
)


def run(name: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement; raises Django's database errors."""
    return execute(STATEMENTS[name], values)
