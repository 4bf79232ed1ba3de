"""Prompts, payloads and outcomes go from jobs after the days that the settings name; so does what
staff and programs leave.

Both tables are walked through in the order of their keys, a page a minute of all orchestrators
together, and from the start again: no index has to be kept for it, and a million rows are looked
at in nine hours.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts.models import ApiKey, RetentionWalk
from auteur.database import execute
from credits import spending
from jobs import sql
from jobs.orchestrator import sweeping

ROWS_A_TURN = 2000
TURN = timedelta(minutes=1)
ROWS_AT_ONCE = 500
"""Sessions, keys and entries that are removed in a round."""
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


def sweep_expired_fields() -> int:
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


# --- What staff and programs leave ------------------------------------------------------------


def list_ended_sessions() -> QuerySet[Session]:
    """Of staff."""
    return Session.objects.filter(expire_date__lt=Now())


def delete_ended_sessions() -> int:
    """Remove some of the `list_ended_sessions`; returns how many."""
    found = (
        list_ended_sessions().order_by("expire_date").values_list("pk", flat=True)[:ROWS_AT_ONCE]
    )
    return Session.objects.filter(pk__in=list(found)).delete()[0]


def list_old_keys() -> QuerySet[ApiKey]:
    """API keys that ended long ago, of which more is kept than jobs need that name them."""
    if not settings.API_KEYS_KEPT_DAYS:
        return ApiKey.objects.none()
    then = Now() - timedelta(days=settings.API_KEYS_KEPT_DAYS)
    ended = Q(revoked_at__lt=then) | Q(expires_at__lt=then)
    emptied = Q(name="", allowed_addresses=[], last_used_at__isnull=False)
    return ApiKey.objects.filter(ended).exclude(emptied)


@transaction.atomic
def delete_old_keys() -> int:
    """Empty some of the `list_old_keys`, and remove those that nobody ever used; returns how many.

    What was spent by them stays: the ledger audit compares it.
    """
    held = list_old_keys().select_for_update(skip_locked=True).order_by("pk")
    found = list(held.values_list("pk", flat=True)[:ROWS_AT_ONCE])
    keys = ApiKey.objects.filter(pk__in=found)
    unused = list(keys.filter(last_used_at=None).values_list("pk", flat=True))
    keys.filter(pk__in=unused).delete()
    spending.delete_spending(api_key_ids=unused)
    keys.update(name="", allowed_addresses=[])
    return len(found)


def list_old_log_entries() -> QuerySet[LogEntry]:
    """Of the admin's history, what is no longer kept."""
    if not settings.ADMIN_LOG_KEPT_DAYS:
        return LogEntry.objects.none()
    kept = timedelta(days=settings.ADMIN_LOG_KEPT_DAYS)
    return LogEntry.objects.filter(action_time__lt=Now() - kept)


def delete_old_log_entries() -> int:
    """Have the database remove some of the `list_old_log_entries`; returns how many.

    The application may not remove any itself (decision 42), nor have younger rows removed than of a
    year.
    """
    found = len(list_old_log_entries().values_list("pk", flat=True)[:ROWS_AT_ONCE])
    if found:
        values = {"days": settings.ADMIN_LOG_KEPT_DAYS, "limit": ROWS_AT_ONCE}
        execute("SELECT remove_old_admin_log(%(days)s::int, %(limit)s::int)", values)
    return found


def register_sweep() -> None:
    """To be called once, when Django is ready."""
    for sweep in (
        sweeping.Sweep("prompts, payloads and outcomes no longer kept", None, sweep_expired_fields),
        sweeping.Sweep(
            "ended sessions of staff", lambda: list_ended_sessions().count(), delete_ended_sessions
        ),
        sweeping.Sweep(
            "API keys that ended long ago", lambda: list_old_keys().count(), delete_old_keys
        ),
        sweeping.Sweep(
            "entries of the admin's history no longer kept",
            lambda: list_old_log_entries().count(),
            delete_old_log_entries,
        ),
    ):
        sweeping.register_sweep(sweep)
