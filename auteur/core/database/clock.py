"""PostgreSQL's clock, by which leases and deadlines count, and the skew of ours."""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

from django.db import connection

from gpu_tasks.runtime.errors import AuteurError

MAX_SKEW_SECONDS = 1.0
"""The most skew of this machine's clock in a process that expires leases."""

Clock = Callable[[], float]


class ClockSkewError(AuteurError):
    """This machine's clock is too far from PostgreSQL's. The text says what to do."""


def now() -> datetime:
    """Return the database's time, to compare with times of an object storage."""
    return datetime.fromtimestamp(_get_database_seconds(), UTC)


def measure_skew(clock: Clock = time.time) -> float:
    """Return by how many seconds this machine's clock is ahead of PostgreSQL's, at least.

    Negative if it is behind. Half of the round trip is subtracted, because the database may have
    read its clock at any moment of it. So a slow answer never counts as skew.
    """
    connection.ensure_connection()
    before = clock()
    database = _get_database_seconds()
    after = clock()
    difference = (before + after) / 2 - database
    return math.copysign(max(0.0, abs(difference) - abs(after - before) / 2), difference)


def check_skew(seconds: float) -> None:
    """Raise ``ClockSkewError`` for a skew above `MAX_SKEW_SECONDS`."""
    if abs(seconds) > MAX_SKEW_SECONDS:
        direction = "ahead of" if seconds > 0 else "behind"
        raise ClockSkewError(
            f"The clock of this machine is {abs(seconds):.1f} s {direction} PostgreSQL's; at most "
            f"{MAX_SKEW_SECONDS:g} s is allowed. Synchronize both machines by NTP (see "
            "docs/operations.md, Clocks)."
        )


def _get_database_seconds() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(cursor.fetchone()[0])
