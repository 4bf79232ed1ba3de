"""Prompts, payloads and outcomes go from jobs after the days that the settings name.

Both tables are walked through in the order of their keys, a page a minute of all orchestrators
together, and from the start again: no index has to be kept for it, and a million rows are looked
at in nine hours.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now

from accounts.models import RetentionWalk
from jobs import sql
from jobs.orchestrator import sweeping

ROWS_A_TURN = 2000
TURN = timedelta(minutes=1)
START = UUID(int=0)


def _days(number: int) -> timedelta | None:
    """None is for ever."""
    return timedelta(days=number) if number else None


def _of_jobs() -> dict[str, Any]:
    return {"prompts": _days(settings.RETENTION_PROMPTS_DAYS)}


def _of_attempts() -> dict[str, Any]:
    return {
        "payloads": _days(settings.RETENTION_PAYLOADS_DAYS),
        "outcomes": _days(settings.RETENTION_OUTCOMES_DAYS),
    }


WALKS = {"retain_jobs": _of_jobs, "retain_attempts": _of_attempts}
"""By statement, how long it keeps what."""


def turn() -> int:
    """A page of each table, if it is time; returns how many rows were emptied."""
    return sum(_walk(statement, kept()) for statement, kept in WALKS.items())


def _walk(statement: str, kept: dict[str, Any]) -> int:
    if not any(kept.values()):
        return 0
    RetentionWalk.objects.get_or_create(name=statement)
    walk = RetentionWalk.objects.filter(name=statement)
    if not walk.filter(next_at__lte=Now()).update(next_at=Now() + TURN):
        return 0
    ((last, emptied),) = sql.run(statement, after=walk.get().after, limit=ROWS_A_TURN, **kept)
    walk.update(after=last or START)
    return int(emptied)


def register_sweep() -> None:
    """To be called once, when Django is ready."""
    sweeping.register(sweeping.Sweep("prompts, payloads and outcomes no longer kept", None, turn))
