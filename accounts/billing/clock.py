"""The time by Postgres: who asked Stripe later is known whichever machine asked."""

from datetime import datetime

from auteur.database import execute


def now() -> datetime:
    """The time of this statement."""
    ((found,),) = execute("SELECT statement_timestamp()", {})
    return found
