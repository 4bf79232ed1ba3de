"""Where what may lag is read: a replica (``DATABASE_REPLICA_URL``), if there is one that keeps up.

Never for what somebody has written and reads again: jobs, credits, media, lists that staff act on.
"""

import logging
import time

from django.db import DEFAULT_DB_ALIAS, Error, connections

logger = logging.getLogger(__name__)

REPLICA = "replica"
MAX_LAG_SECONDS = 60.0
AWAY_SECONDS = 30.0
"""How long one that is away, or too far behind, is left alone."""
# None of a server that is no standby. Workers beat every two seconds: without any transaction for
# long, nothing runs, and the primary can as well be asked.
LAG = """
    SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(
        EXTRACT(EPOCH FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8, 'Infinity'
    ) END
"""


class Patience:
    """How long this process asks the replica no more."""

    until = 0.0


def read_from_replica() -> str:
    """The alias of the database for what may lag by ``MAX_LAG_SECONDS``: ``….using(reading())``."""
    if REPLICA not in connections or time.monotonic() < Patience.until:
        return DEFAULT_DB_ALIAS
    try:
        lag = _lag()
        trouble = f"is {lag:.0f} s behind" if lag > MAX_LAG_SECONDS else ""
    except Error as exc:
        connections[REPLICA].close()
        trouble = f"does not answer ({type(exc).__name__})"
    if not trouble:
        return REPLICA
    Patience.until = time.monotonic() + AWAY_SECONDS
    logger.warning("the replica %s: the primary is read for %.0f s", trouble, AWAY_SECONDS)
    return DEFAULT_DB_ALIAS


def _lag() -> float:
    """Seconds; asked once more where the connection was kept from before it went."""
    try:
        return _ask()
    except Error:
        connections[REPLICA].close()
        return _ask()


def _ask() -> float:
    with connections[REPLICA].cursor() as cursor:
        cursor.execute(LAG)
        return cursor.fetchone()[0] or 0.0
