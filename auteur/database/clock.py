"""PostgreSQL's clock: the one by which leases and deadlines count, and how far ours is from it."""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

from django.db import connection

from gpu_tasks.runtime.errors import AuteurError

MAX_SKEW_SECONDS = 1.0
"""Between this machine's clock and PostgreSQL's, in a process that judges leases."""

Clock = Callable[[], float]


class ClockSkewError(AuteurError):
    """This machine's clock is too far from PostgreSQL's; the text says what to do."""


def now() -> datetime:
    """Return the database's time, to compare with times of an object storage."""
    return datetime.fromtimestamp(_database_seconds(), UTC)


def measure_skew(clock: Clock = time.time) -> float:
    """Return by how many seconds this machine's clock is ahead of PostgreSQL's, at least.

    Negative where it is behind. Half of the round trip is subtracted, for nobody knows when in its
    course the database looked at its clock: a slow answer is never taken for skew.
    """
    connection.ensure_connection()
    before = clock()
    database = _database_seconds()
    after = clock()
    difference = (before + after) / 2 - database
    return math.copysign(max(0.0, abs(difference) - abs(after - before) / 2), difference)


def check_skew(seconds: float) -> None:
    """Raise ``ClockSkewError`` for a skew above `MAX_SKEW_SECONDS`."""
    if abs(seconds) > MAX_SKEW_SECONDS:
        where = "ahead of" if seconds > 0 else "behind"
        raise ClockSkewError(
            f"The clock of this machine is {abs(seconds):.1f} s {where} PostgreSQL's; at most "
            f"{MAX_SKEW_SECONDS:g} s is allowed. Synchronize both machines by NTP (see "
            "docs/operations.md, Clocks)."
        )


def _database_seconds() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        return float(cursor.fetchone()[0])
