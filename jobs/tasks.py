"""Define the Celery tasks, which carry attempt ids; the work itself is in `jobs.workflow`."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, ClassVar
from uuid import UUID

from billiard.exceptions import WorkerLostError
from celery import Signature, Task, shared_task, signature
from celery.signals import task_failure, task_prerun, worker_process_shutdown
from django.db import Error, close_old_connections, connection

from auteur.core import ids
from auteur.core.api.problems import OUTAGES
from jobs import heartbeat, lifecycle, links, workflow
from jobs.errors import AttemptsFailedError, JobError
from jobs.models import Attempt
from jobs.states import COLLECT, DISPATCH, FINALIZE, PREPARE, Step, chain_of
from jobs.workflow import StepResult

logger = logging.getLogger(__name__)

_claimed: ContextVar[Sequence[Attempt] | None] = ContextVar("claimed", default=None)
"""The attempts that a task has claimed for the link that runs after it in the same process. None
in a task that has a message of its own."""


class JobTask(Task):
    """The base of all job tasks: a task that raises fails its jobs, with a refund.

    Celery may call ``on_failure`` twice or never (docs/decisions/0002): it is idempotent, and the
    orchestrator does what was left undone.
    """

    abstract = True
    ignore_result = True
    throws = (AttemptsFailedError,)  # Expected: log a line without a traceback.
    step: ClassVar[Step]

    def on_failure(
        self, exc: Exception, task_id: str, args: Sequence[Any], kwargs: Any, einfo: Any
    ) -> None:
        """Fail the message's jobs, or those that an ``AttemptsFailedError`` names.

        After an outage of ours, release the attempts instead.
        """
        # An attempt may be claimed for the next step already, and its link not have begun.
        steps = chain_of(self.step.takes)
        attempt_ids = _list_valid_ids(args)
        if isinstance(exc, OUTAGES):
            logger.warning("%s waits for a store: %s", self.name, type(exc).__name__)
            for step in steps:
                workflow.release(step, attempt_ids)
            return
        if isinstance(exc, AttemptsFailedError):
            errors = exc.errors
        else:
            errors = dict.fromkeys(attempt_ids, JobError.from_exception(exc))
        for attempt_id, error in errors.items():
            lifecycle.fail(
                attempt_id=attempt_id,
                error=error,
                states=[step.holds for step in steps],
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


def _find_link_to_run(task: Any, attempt_ids: Sequence[str]) -> Signature | None:
    """Return the last link of the running task's chain if it can run in this process.

    It must be the next step for the same attempts. Celery sends any other link as a message.
    """
    chain = task.request.chain or []
    if len(chain) != 1:
        return None
    link = signature(chain[0], app=task.app)
    next_task = task.app.tasks.get(link.task)
    is_next_step = isinstance(next_task, JobTask) and next_task.step.takes == task.step.leaves
    return link if is_next_step and [*link.args] == [attempt_ids] else None


def _end_task(task: Any, result: StepResult, link: Signature | None = None) -> None:
    """Run the link, if any, and raise the errors of the step, so that `on_failure` ends the jobs.

    The link runs first: Celery runs none after an error, and the other attempts wait for it.
    """
    if link is not None:
        task.request.chain = None
        token = _claimed.set(result.claimed)
        try:
            links.run_link(task, link)
        finally:
            _claimed.reset(token)
    if result.errors:
        raise AttemptsFailedError(result.errors)


@shared_task(base=JobTask, name="jobs.prepare", step=PREPARE)
def prepare(attempt_ids: Sequence[str]) -> None:
    """Do step 1: check inputs, build payloads."""
    link = _find_link_to_run(prepare, attempt_ids)
    result = workflow.prepare(_parse_ids(attempt_ids), hands_over=link is not None)
    _end_task(prepare, result, link)


@shared_task(base=JobTask, name="jobs.dispatch", step=DISPATCH)
def dispatch(attempt_ids: Sequence[str]) -> None:
    """Do step 2: start the calls."""
    _end_task(dispatch, workflow.dispatch(_parse_ids(attempt_ids), claimed=_claimed.get()))


@shared_task(base=JobTask, name="jobs.collect", step=COLLECT)
def collect(attempt_ids: Sequence[str]) -> None:
    """Do step 3: check the results."""
    link = _find_link_to_run(collect, attempt_ids)
    result = workflow.collect(_parse_ids(attempt_ids), hands_over=link is not None)
    _end_task(collect, result, link)


@shared_task(base=JobTask, name="jobs.finalize", step=FINALIZE)
def finalize(attempt_ids: Sequence[str]) -> None:
    """Do step 4: deliver and complete."""
    _end_task(finalize, workflow.finalize(_parse_ids(attempt_ids), claimed=_claimed.get()))


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
