"""What nobody spent in time: its ledger row is written here, a few accounts at a time.

It cannot be spent from its moment on, whether or not the row is there (`credits.queries.sql`).
"""

from credits import sql
from credits.models import TransactionType

ACCOUNTS_AT_ONCE = 500
DESCRIPTION = "Expired"


def write_expired() -> int:
    """Write what has expired, of some accounts, those that wait longest first; returns how many."""
    written = sql.run(
        "expire",
        limit=ACCOUNTS_AT_ONCE,
        type=TransactionType.EXPIRY.value,
        description=DESCRIPTION,
        job_id=None,
    )
    return len(written)


def count_expired() -> int:
    """How many accounts wait for it."""
    ((number,),) = sql.run("count_expired")
    return int(number)
