"""The Celery task that runs one local call."""

import os
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_shutting_down

from gpu_tasks.backends import local


@shared_task(name=local.RUN_CALL, ignore_result=True)
def run_call(call_id: str) -> None:
    """Run the call if it still waits."""
    local.run(UUID(call_id))


@worker_shutting_down.connect
def hand_back(**signal: Any) -> None:
    """A worker told to stop (a deploy) lets others have its long calls at once."""
    local.hand_back(os.getpid())
