"""Run a link of a Celery chain in the process of the task before it, which saves a message."""

import logging
import time
import traceback
from typing import Any

from celery import Signature, Task
from celery.utils.saferepr import saferepr
from kombu.utils.uuid import uuid

from auteur.core import ids
from auteur.core.work.broker import BROKER_OUTAGES

logger = logging.getLogger(__name__)

EVENT_ERRORS: tuple[type[Exception], ...] = (OSError, *BROKER_OUTAGES)
"""Errors of a broker that takes no event. Without retries, kombu raises them as they are."""


def run_link(parent: Task, link: Signature) -> None:
    """Run a link of the running task ``parent`` as a task of its own.

    `Task.apply` traces it: it has its own id, request, signals, log lines and `on_failure`, and an
    error in it is not raised here. Celery sends no events of such a task, so they are sent here.
    """
    task_id = link.options.get("task_id") or uuid()  # Without one: sent by an older version.
    request = parent.request
    events = _LinkEvents(parent, task_id)
    with ids.bind_ids(task=task_id):
        events.send(
            "task-received",
            name=link.task,
            args=saferepr(link.args, parent.app.amqp.argsrepr_maxsize),
            kwargs=saferepr(link.kwargs),
            root_id=request.root_id,
            parent_id=request.id,
            retries=0,
            eta=None,
            expires=None,
        )
        events.send("task-started")
        started_at = time.monotonic()
        try:
            result = link.type.apply(
                link.args, link.kwargs, task_id=task_id, headers=request.headers, throw=False
            )
        except Exception as exc:  # Its `on_failure` failed, so `parent` fails, too.
            events.send("task-failed", exception=saferepr(exc), traceback=traceback.format_exc())
            raise
        if result.failed():
            events.send(
                "task-failed", exception=saferepr(result.result), traceback=result.traceback
            )
        else:
            runtime = time.monotonic() - started_at
            events.send("task-succeeded", result=saferepr(result.result), runtime=runtime)


class _LinkEvents:
    """The events of one link, if the worker sends events at all.

    They are for monitors only. After the first one that the broker does not take, no more are sent.
    """

    def __init__(self, parent: Task, task_id: str) -> None:
        self._app, self._task_id, self._dispatcher = parent.app, task_id, None
        if self._app.conf.worker_send_task_events and not parent.request.is_eager:
            self._dispatcher = self._app.events.Dispatcher(
                hostname=parent.request.hostname, enabled=False, buffer_while_offline=False
            )

    def send(self, event: str, **fields: Any) -> None:
        if self._dispatcher is None:
            return
        try:
            # A producer of the pool, because ours closes a connection that has failed.
            with self._app.producer_or_acquire() as producer:
                self._dispatcher.publish(event, {"uuid": self._task_id, **fields}, producer)
        except EVENT_ERRORS as exc:
            logger.warning("no events of %s: %s", self._task_id, type(exc).__name__)
            self._dispatcher = None
