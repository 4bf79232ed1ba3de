"""Compute figures in one process now and then, and store them in a row for all (decision 47).

So a scrape of `/metrics` reads a row, however many jobs and scrapers there are.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import Model
from django.db.models.functions import Now

from jobs import sql
from jobs.integrations.streams import figures as streams
from jobs.models import KeptFigures
from jobs.states import JobStatus

STANDING = "standing"
UNDELIVERED = "undelivered"
STANDING_EVERY = timedelta(seconds=10)
LOST_AFTER = timedelta(minutes=1)
"""Time after which a process that has not stored its figures counts as lost."""


@dataclass(frozen=True)
class CachedFigures:
    """Stored figures, and when they were computed."""

    value: Any
    found_at: datetime


def read_figures(name: str) -> CachedFigures | None:
    """Return the figures that were stored last, or None."""
    row = KeptFigures.objects.filter(name=name).first()
    return CachedFigures(row.value, row.found_at) if row and row.found_at else None


def refresh_figures(
    name: str, find: Callable[[Any], Any], *, every: timedelta, lost_after: timedelta = LOST_AFTER
) -> int:
    """Compute the figures from the previous value, if they are due; return 1 if they were.

    Only one process computes them at a time.
    """
    KeptFigures.objects.get_or_create(name=name)
    row = KeptFigures.objects.filter(name=name)
    if not row.filter(next_at__lte=Now()).update(next_at=Now() + lost_after):
        return 0
    try:
        value = find(row.get().value)
    except Exception:
        with suppress(DatabaseError):  # The first error is raised, and is the one to report.
            row.update(next_at=Now() + every)
        raise
    row.update(value=value, found_at=Now(), next_at=Now() + every)
    return 1


def estimate_rows(model: type[Model]) -> int:
    """Return about how many rows there are, by the statistics of PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [model._meta.db_table]
        )
        return int(cursor.fetchone()[0])


def add_undelivered(count: int) -> None:
    """Add results that could not be delivered to their count, which never falls.

    It locks one row for all orchestrators: call it after everything else of a transaction.
    """
    sql.run("add_undelivered", figure=UNDELIVERED, count=count)


def count_undelivered() -> int:
    """Return how many results could not be delivered so far."""
    figure = read_figures(UNDELIVERED)
    return int(figure.value["count"]) if figure else 0


def count_jobs_by_status() -> int:
    """Count the jobs by status every ``STANDING_EVERY``, in one orchestrator."""
    return refresh_figures(STANDING, _compute_standing, every=STANDING_EVERY)


def _compute_standing(_previous: Any) -> dict[str, Any]:
    open_rows = sql.run("count_open")
    ends = streams.compute_outcomes()
    return {
        "jobs": [row[:3] for row in open_rows],
        "oldest_pending": [
            (type_, first) for type_, status, _, first in open_rows if status == JobStatus.PENDING
        ],
        "attempts": sql.run("count_attempts"),
        "ends": [ends.completed, ends.failed, ends.cancelled],
        "latency": [
            (None if math.isinf(seconds) else seconds, count) for seconds, count in ends.latency
        ],
        "latency_sum_seconds": ends.latency_sum_seconds,
    }
