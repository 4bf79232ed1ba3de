"""The Celery task that runs one local call."""

import logging
import os
from typing import Any
from uuid import UUID

from billiard.exceptions import WorkerLostError
from celery import shared_task
from celery.signals import task_failure, worker_shutting_down
from django.db import Error, connection

from jobs.calls.backends import local

logger = logging.getLogger(__name__)


@shared_task(name=local.RUN_CALL, ignore_result=True)
def run_call(call_id: str) -> None:
    """Run the call if it still waits.

    A worker child whose GPU may be unusable exits afterwards, so that a new one replaces it.
    """
    if not local.run(UUID(call_id)):
        logger.warning("this process ends: its GPU may be of no more use to it")
        raise SystemExit(1)


@worker_shutting_down.connect
def release(**signal: Any) -> None:
    """Release the calls of a worker that stops (a deploy), so that others run them at once."""
    local.release_calls_of_children(os.getpid())


@task_failure.connect(sender=run_call)
def expire_killed(exception: BaseException, **signal: Any) -> None:
    """Expire the call of a killed child, which no other process of this machine may notice."""
    if not isinstance(exception, WorkerLostError):
        return
    try:
        local.expire_killed_calls()
    except Error as exc:
        logger.warning("killed calls wait for their leases' end: %s", type(exc).__name__)
    finally:
        connection.close()  # otherwise the next child inherits it
