"""The choice of a replica (``DATABASE_REPLICA_URL``) for reads that may lag.

Do not use it for data that a user has written and reads again: jobs, credits, media, and lists that
staff act on.
"""

import logging
import time

from django.db import DEFAULT_DB_ALIAS, Error, connections

logger = logging.getLogger(__name__)

REPLICA = "replica"
MAX_LAG_SECONDS = 60.0
AWAY_SECONDS = 30.0
"""How long a replica that is away, or too far behind, is not used."""
# The lag is NULL for a server that is no standby. Workers write heartbeats every two seconds. If
# there was no transaction for long, nothing runs, and the primary can be read as well.
LAG = """
    SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(
        EXTRACT(EPOCH FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8, 'Infinity'
    ) END
"""


class ReplicaPause:
    """The time until which this process does not use the replica."""

    until = 0.0


def read_from_replica() -> str:
    """Return the database alias for reads that may lag by ``MAX_LAG_SECONDS``."""
    if REPLICA not in connections or time.monotonic() < ReplicaPause.until:
        return DEFAULT_DB_ALIAS
    try:
        lag = _measure_lag()
        reason = f"is {lag:.0f} s behind" if lag > MAX_LAG_SECONDS else ""
    except Error as exc:
        connections[REPLICA].close()
        reason = f"does not answer ({type(exc).__name__})"
    if not reason:
        return REPLICA
    ReplicaPause.until = time.monotonic() + AWAY_SECONDS
    logger.warning("the replica %s: the primary is read for %.0f s", reason, AWAY_SECONDS)
    return DEFAULT_DB_ALIAS


def _measure_lag() -> float:
    """Return the lag in seconds. Try again once, because the open connection may be stale."""
    try:
        return _query_lag()
    except Error:
        connections[REPLICA].close()
        return _query_lag()


def _query_lag() -> float:
    with connections[REPLICA].cursor() as cursor:
        cursor.execute(LAG)
        return cursor.fetchone()[0] or 0.0
