"""Exports that wait for a worker, and who makes them."""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.models import AccountExport, ExportStatus
from auteur import liveness
from auteur.leases import Leases
from media.limits import LEASE


def _fail(rows: QuerySet[AccountExport]) -> int:
    kept = timedelta(days=settings.EXPORT_DAYS)
    return rows.update(
        status=ExportStatus.FAILED,
        holder=None,
        due_at=None,
        finished_at=Now(),
        expires_at=Now() + kept,
    )


EXPORTS = Leases(
    AccountExport,
    waiting={"status": ExportStatus.WAITING, "holder": None},
    held={"status": ExportStatus.WORKING},
    holder="holder",
    due_at="due_at",
    tries="tries",
    fail=_fail,
    duration=LEASE,
    new_holder=liveness.process_name,
)
