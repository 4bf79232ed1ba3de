"""Load the statements of `jobs.queries.sql` by name, with their marks filled in once."""

from pathlib import Path
from typing import Any

from auteur.core.api import idempotency
from auteur.core.database import execute, read_statements
from auteur.core.database.keys import NEW_ID
from credits import sql as ledger_sql
from credits.models import TransactionType
from gpu_tasks.runtime.errors import POLICIES, ErrorCode
from jobs import rows, states
from jobs.cancels import CAUSED_BY_USER
from media.models import MediaStatus

_FILE = Path(__file__).with_name("queries.sql")
_MARKS = {
    **states.literals(),
    "NEW_ID": NEW_ID,
    **rows.build_claim_marks(),
    "MEDIA_READY": f"'{MediaStatus.READY.value}'",
    "USAGE": f"'{TransactionType.USAGE.value}'",
    "REFUND": f"'{TransactionType.REFUND.value}'",
    "INFRASTRUCTURE": str(tuple(code.value for code in ErrorCode if POLICIES[code].infrastructure)),
    "GPU_UNAVAILABLE": f"'{ErrorCode.GPU_UNAVAILABLE.value}'",
    "CAUSED_BY_USER": str(tuple(sorted(map(str, CAUSED_BY_USER)))),
    "LEAST_BIGINT": f"'{-(2**63)}'::bigint",
    "claim_key": idempotency.build_claim_cte(into="key", when="EXISTS (TABLE media)"),
    "charge": ledger_sql.build_charge_ctes(
        account="account",
        usage="usage",
        charges="charged",
        user_id="%(user_id)s",
        when="EXISTS (TABLE accepted)",
    ),
}
_SPEND = ledger_sql.build_spending_cte(
    spending="spending", account="account", charges="charged", api_key_id="%(api_key_id)s::uuid"
)
_BY_KEY = read_statements(
    _FILE, **_MARKS, spend=f"{_SPEND},", is_within_caps="EXISTS (TABLE spending)"
)
STATEMENTS = {
    **read_statements(_FILE, **_MARKS, spend="", is_within_caps="true"),
    **{f"{name}_by_key": _BY_KEY[name] for name in ("submit", "queue_checked")},
}


def run(name: str, **values: Any) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows; raise Django's database errors."""
    return execute(STATEMENTS[name], values)
