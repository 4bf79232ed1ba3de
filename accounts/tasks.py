"""The Celery tasks of closings and exports, which media workers run; the rows hold the state."""

import os
from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_shutting_down
from django.conf import settings

from accounts.closing import worker as closing
from accounts.exporting import worker as exporting
from accounts.exporting.states import EXPORTS
from auteur.core.work import liveness
from media.tasks import Work
from media.tasks import register_work as register_with_media


@shared_task(name="accounts.close", ignore_result=True, time_limit=closing.HARD_LIMIT_SECONDS)
def close(closing_id: str) -> None:
    """Process a closing, if it is still due."""
    closing.run_closing(UUID(closing_id))


@shared_task(name="accounts.export", ignore_result=True, time_limit=exporting.HARD_LIMIT_SECONDS)
def export(export_id: str) -> None:
    """Make an export, if it is still due."""
    exporting.run_export(UUID(export_id))


WORK = (
    Work(closing.CLOSINGS, close, lambda: 1),
    Work(EXPORTS, export, lambda: settings.EXPORT_LIMIT),
)


def register_work() -> None:
    """Register this work with the media workers; called once, when Django is ready."""
    for work in WORK:
        register_with_media(work)


@worker_shutting_down.connect
def release(**signal: Any) -> None:
    """Release the leases of a stopping worker, so that others can claim its work immediately."""
    for work in WORK:
        rows = work.leases.list_claimed_rows(
            holder__startswith=liveness.build_process_name(os.getpid(), "")
        )
        work.leases.release(rows, timedelta(0))
