"""Writing the ledger rows of expired credits, in batches of accounts.

Expired credits cannot be spent, whether or not their row is written (`credits/queries.sql`).
"""

from credits import sql
from credits.models import TransactionType

ACCOUNTS_AT_ONCE = 500
DESCRIPTION = "Expired"


def write_expired() -> int:
    """Write the expiry of one batch of accounts, the oldest first; return how many accounts."""
    accounts = sql.run(
        "expire",
        limit=ACCOUNTS_AT_ONCE,
        type=TransactionType.EXPIRY.value,
        description=DESCRIPTION,
        job_id=None,
    )
    return len(accounts)


def count_expired() -> int:
    """Return how many accounts have expired credits without a ledger row."""
    ((number,),) = sql.run("count_expired")
    return int(number)
