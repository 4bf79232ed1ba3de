"""The Celery task that runs one local call."""

from uuid import UUID

from celery import shared_task

from gpu_tasks.backends import local


@shared_task(name=local.RUN_CALL, ignore_result=True)
def run_call(call_id: str) -> None:
    """Run the call if it still waits."""
    local.run(UUID(call_id))
