"""Define the Celery tasks, which carry attempt ids; the work itself is in `jobs.workflow`."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar
from uuid import UUID

from billiard.exceptions import WorkerLostError
from celery import Task, shared_task
from celery.signals import task_failure, task_prerun, worker_process_shutdown
from django.db import Error, close_old_connections, connection

from auteur.core import ids
from auteur.core.api.problems import OUTAGES
from gpu_tasks.runtime.errors import ErrorCode
from jobs import heartbeat, lifecycle, workflow
from jobs.errors import JobError, JobFailedError
from jobs.models import Attempt
from jobs.states import COLLECT, DISPATCH, FINALIZE, HOLDING, PREPARE, AttemptState

logger = logging.getLogger(__name__)


class JobTask(Task):
    """The base of all job tasks: a task that raises fails its jobs, with a refund.

    Celery may call ``on_failure`` twice or never (docs/decisions/0002): it is idempotent, and the
    orchestrator does what was left undone.
    """

    abstract = True
    ignore_result = True
    ends: ClassVar[Sequence[str]] = ()
    """States in which this task may end an attempt."""

    def on_failure(
        self, exc: Exception, task_id: str, args: Sequence[Any], kwargs: Any, einfo: Any
    ) -> None:
        """Fail the message's jobs; after an outage of ours, release them instead."""
        if isinstance(exc, OUTAGES):
            logger.warning("%s waits for a store: %s", self.name, type(exc).__name__)
            for state in self.ends:
                if step := HOLDING.get(AttemptState(state)):
                    workflow.release(step, _list_valid_ids(args))
            return
        for attempt_id in _list_valid_ids(args):
            lifecycle.fail(
                attempt_id=attempt_id,
                error=JobError.from_exception(exc),
                states=self.ends,
                worker=heartbeat.current_worker(),
            )


def _parse_ids(attempt_ids: Sequence[str]) -> list[UUID]:
    return [UUID(attempt_id) for attempt_id in attempt_ids]


def _list_valid_ids(args: Sequence[Any]) -> list[UUID]:
    """Return the ids among a message's arguments; ``on_failure`` must not raise for the others."""
    ids = []
    for value in args[0] if args and isinstance(args[0], list | tuple) else ():
        with suppress(ValueError, TypeError, AttributeError):
            ids.append(UUID(value))
    return ids


def _take_over_chain(task: Any) -> bool:
    """Return True if a chain continues after this step, and remove it from the message.

    This worker does the next step itself, and no further message is sent.
    """
    has_next = bool(task.request.chain)
    task.request.chain = None
    return has_next


@shared_task(base=JobTask, name="jobs.prepare", ends=(PREPARE.holds, DISPATCH.holds))
def prepare(attempt_ids: Sequence[str]) -> None:
    """Do step 1: check inputs, build payloads; in a chain, do step 2 as well."""
    workflow.prepare(_parse_ids(attempt_ids), goes_on=_take_over_chain(prepare))


@shared_task(base=JobTask, name="jobs.dispatch", ends=(DISPATCH.holds,))
def dispatch(attempt_ids: Sequence[str]) -> None:
    """Do step 2: start the calls."""
    workflow.dispatch(_parse_ids(attempt_ids))


@shared_task(base=JobTask, name="jobs.collect", ends=(COLLECT.holds, FINALIZE.holds))
def collect(attempt_ids: Sequence[str]) -> None:
    """Do step 3: check the results; in a chain, do step 4 as well."""
    workflow.collect(_parse_ids(attempt_ids), goes_on=_take_over_chain(collect))


@shared_task(base=JobTask, name="jobs.finalize", ends=(FINALIZE.holds,))
def finalize(attempt_ids: Sequence[str]) -> None:
    """Do step 4: deliver and complete."""
    workflow.finalize(_parse_ids(attempt_ids))


@shared_task(
    base=JobTask,
    name="jobs.fail",
    ends=(AttemptState.ERRORED,),
    throws=(JobFailedError,),  # Expected: log a line without a traceback.
)
def fail(attempt_ids: Sequence[str]) -> None:
    """Raise the stored error of one attempt that is given up; `on_failure` ends its job."""
    attempt = Attempt.objects.filter(pk=attempt_ids[0], state=AttemptState.ERRORED).first()
    if attempt is not None:
        raise JobFailedError(ErrorCode(attempt.error_code or ""), attempt.error_message or "")


@task_prerun.connect
def begin(task: Task, **signal: Any) -> None:
    """Bind new ids, and close a connection that broke or is too old, as before a request."""
    if not task.request.is_eager:
        ids.bind_task(str(task.request.id))
        close_old_connections()


@task_failure.connect
def forget_dead(exception: BaseException, **signal: Any) -> None:
    """Wake the jobs of a lost pool child, so that they need not wait for the end of its lease."""
    if not isinstance(exception, WorkerLostError):
        return
    try:
        lifecycle.wake_jobs_of_dead_workers(heartbeat.delete_dead_workers())
    except Error as exc:
        logger.warning("a dead child is not known yet: %s", type(exc).__name__)
    finally:
        connection.close()  # Otherwise the next child is forked with it.


@worker_process_shutdown.connect
def retire(**signal: Any) -> None:
    """Delete the heartbeat of a child that ends in order."""
    heartbeat.stop_heartbeat()
