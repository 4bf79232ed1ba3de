"""The work on accounts, as tasks of the worker for media; all there is to know is in the rows."""

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
from auteur import liveness
from media.tasks import Work
from media.tasks import register_work as register_with_media


@shared_task(name="accounts.close", ignore_result=True, time_limit=closing.HARD_LIMIT_SECONDS)
def close(closing_id: str) -> None:
    """Do what is due for a closed account, if that is still wanted."""
    closing.run_closing(UUID(closing_id))


@shared_task(name="accounts.export", ignore_result=True, time_limit=exporting.HARD_LIMIT_SECONDS)
def export(export_id: str) -> None:
    """Make an archive, if that is still waited for."""
    exporting.run_export(UUID(export_id))


WORK = (
    Work(closing.CLOSINGS, close, lambda: 1),
    Work(EXPORTS, export, lambda: settings.EXPORT_LIMIT),
)


def register_work() -> None:
    """To be called once, when Django is ready."""
    for work in WORK:
        register_with_media(work)


@worker_shutting_down.connect
def release(**signal: Any) -> None:
    """A worker told to stop (a deploy) lets others have its work at once."""
    for work in WORK:
        held = work.leases.held_rows(
            holder__startswith=liveness.build_process_name(os.getpid(), "")
        )
        work.leases.release(held, timedelta(0))
