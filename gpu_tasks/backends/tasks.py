"""The Celery task that runs one local call."""

import logging
import os
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_shutting_down

from gpu_tasks.backends import local

logger = logging.getLogger(__name__)


@shared_task(name=local.RUN_CALL, ignore_result=True)
def run_call(call_id: str) -> None:
    """Run the call if it still waits; a worker child whose GPU may be spoilt makes way for a new
    one.
    """
    if not local.run(UUID(call_id)):
        logger.warning("this process ends: its GPU may be of no more use to it")
        raise SystemExit(1)


@worker_shutting_down.connect
def hand_back(**signal: Any) -> None:
    """A worker told to stop (a deploy) lets others have its long calls at once."""
    local.hand_back(os.getpid())
