"""The clock of Postgres, which orders requests to Stripe from all machines."""

from datetime import datetime

from auteur.core.database import execute


def now() -> datetime:
    """Return the time of this statement."""
    ((timestamp,),) = execute("SELECT statement_timestamp()", {})
    return timestamp
