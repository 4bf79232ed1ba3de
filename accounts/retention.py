"""Retention: emptying old fields of jobs, and deleting old sessions, API keys and log entries.

Prompts, payloads and outcomes are emptied by a scan of `jobs` and `attempts` in key order, one page
per minute of all orchestrators together, which starts again at the end. So it needs no index, and
scans a million rows in nine hours.
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
from auteur.core.database import execute
from credits import spending
from jobs import sql
from jobs.retention import sweeping

ROWS_PER_PAGE = 2000
PAGE_INTERVAL = timedelta(minutes=1)
ROWS_AT_ONCE = 500
"""How many sessions, keys or log entries one round deletes at most."""
START = UUID(int=0)


def _to_period(days: int) -> timedelta | None:
    """Return a retention period; None, for 0 days, keeps the fields forever."""
    return timedelta(days=days) if days else None


def _list_job_periods() -> dict[str, Any]:
    return {"prompts": _to_period(settings.RETENTION_PROMPTS_DAYS)}


def _list_attempt_periods() -> dict[str, Any]:
    return {
        "payloads": _to_period(settings.RETENTION_PAYLOADS_DAYS),
        "outcomes": _to_period(settings.RETENTION_OUTCOMES_DAYS),
    }


SCANS = {"retain_jobs": _list_job_periods, "retain_attempts": _list_attempt_periods}
"""The retention periods by statement."""


def sweep_expired_fields() -> int:
    """Empty expired fields in the next page of each table; return how many rows were emptied."""
    return sum(_sweep_page(statement, list_periods()) for statement, list_periods in SCANS.items())


def _sweep_page(statement: str, periods: dict[str, Any]) -> int:
    if not any(periods.values()):
        return 0
    RetentionWalk.objects.get_or_create(name=statement)
    scan = RetentionWalk.objects.filter(name=statement)
    if not scan.filter(next_at__lte=Now()).update(next_at=Now() + PAGE_INTERVAL):
        return 0
    ((last, emptied),) = sql.run(statement, after=scan.get().after, limit=ROWS_PER_PAGE, **periods)
    scan.update(after=last or START)
    return int(emptied)


# --- Sessions, API keys and log entries -------------------------------------------------------


def list_ended_sessions() -> QuerySet[Session]:
    """Return the ended sessions; only staff have sessions."""
    return Session.objects.filter(expire_date__lt=Now())


def delete_ended_sessions() -> int:
    """Delete one batch of ended sessions; return how many."""
    keys = list_ended_sessions().order_by("expire_date").values_list("pk", flat=True)[:ROWS_AT_ONCE]
    return Session.objects.filter(pk__in=list(keys)).delete()[0]


def list_old_keys() -> QuerySet[ApiKey]:
    """Return the API keys that ended before their retention and are not emptied yet."""
    if not settings.API_KEYS_KEPT_DAYS:
        return ApiKey.objects.none()
    limit = Now() - timedelta(days=settings.API_KEYS_KEPT_DAYS)
    has_ended = Q(revoked_at__lt=limit) | Q(expires_at__lt=limit)
    is_emptied = Q(name="", allowed_addresses=[], last_used_at__isnull=False)
    return ApiKey.objects.filter(has_ended).exclude(is_emptied)


@transaction.atomic
def delete_old_keys() -> int:
    """Empty one batch of old keys, and delete those that were never used; return how many.

    Their spending stays, because the ledger audit compares it.
    """
    locked_keys = list_old_keys().select_for_update(skip_locked=True).order_by("pk")
    key_ids = list(locked_keys.values_list("pk", flat=True)[:ROWS_AT_ONCE])
    keys = ApiKey.objects.filter(pk__in=key_ids)
    unused_ids = list(keys.filter(last_used_at=None).values_list("pk", flat=True))
    keys.filter(pk__in=unused_ids).delete()
    spending.delete_spending(api_key_ids=unused_ids)
    keys.update(name="", allowed_addresses=[])
    return len(key_ids)


def list_old_log_entries() -> QuerySet[LogEntry]:
    """Return the entries of the admin's history that are older than their retention."""
    if not settings.ADMIN_LOG_KEPT_DAYS:
        return LogEntry.objects.none()
    period = timedelta(days=settings.ADMIN_LOG_KEPT_DAYS)
    return LogEntry.objects.filter(action_time__lt=Now() - period)


def delete_old_log_entries() -> int:
    """Delete one batch of old log entries; return how many.

    A database function deletes them, and none younger than a year, because the application has no
    right to delete entries (decision 42).
    """
    number = len(list_old_log_entries().values_list("pk", flat=True)[:ROWS_AT_ONCE])
    if number:
        values = {"days": settings.ADMIN_LOG_KEPT_DAYS, "limit": ROWS_AT_ONCE}
        execute("SELECT remove_old_admin_log(%(days)s::int, %(limit)s::int)", values)
    return number


def register_sweep() -> None:
    """Register the sweeps of this module; called once, when Django is ready."""
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
