"""The leases by which workers claim exports."""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.models import AccountExport, ExportStatus
from auteur.core.work import liveness
from auteur.core.work.leases import Leases
from media.limits import LEASE


def _fail_exports(rows: QuerySet[AccountExport]) -> int:
    retention = timedelta(days=settings.EXPORT_DAYS)
    return rows.update(
        status=ExportStatus.FAILED,
        holder=None,
        due_at=None,
        finished_at=Now(),
        expires_at=Now() + retention,
    )


EXPORTS = Leases(
    AccountExport,
    waiting={"status": ExportStatus.WAITING, "holder": None},
    claimed={"status": ExportStatus.WORKING},
    holder="holder",
    due_at="due_at",
    tries="tries",
    fail=_fail_exports,
    duration=LEASE,
    create_holder=liveness.get_process_name,
)
