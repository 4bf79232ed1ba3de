"""The local backend: calls are rows, run by Celery workers on the queues ``gpu.<class>``.

A call reports by the same signed callback as on Modal. Its worker renews a lease. When the lease
has expired, the call is taken from the worker, which stops if it still lives.
"""

import json
import logging
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from pydantic import ValidationError

from auteur.core import ids
from auteur.core.work import broker, leases, liveness
from auteur.core.work.broker import BROKER_OUTAGES
from auteur.core.work.leases import RESEND_AFTER, Lease, LeaseLostError, Leases
from gpu_tasks.runtime import runner
from gpu_tasks.runtime.callback import Reporter, derive_attempt_key
from gpu_tasks.runtime.contract import GpuClass, InputFile, Outcome, Payload
from gpu_tasks.runtime.engine import Host, contracts
from gpu_tasks.runtime.engine_cache import EngineCache, LoadedEngine
from gpu_tasks.runtime.errors import ErrorCode, StoppedError
from gpu_tasks.runtime.isolated import IsolatedEngine
from gpu_tasks.runtime.stages import Stage
from jobs.calls.backends.base import Call, CallState, CallStatus
from jobs.calls.backends.models import LocalCall, LocalCallState

logger = logging.getLogger(__name__)

RUN_CALL = "gpu_tasks.run_call"
STORE_TRIES = 30
STORE_PAUSE_SECONDS = 1.0
CPU_DEVICE, CPU_DTYPE = "cpu", "float32"
HARD_LIMIT_GRACE_SECONDS = 120
"""The worker child is killed this long after the time limit, if the engine ignores it."""
MAX_MESSAGES = 100
"""With this many messages in a queue of RabbitMQ, no call is published again for waiting long."""
UNDER_WAY = (LocalCallState.QUEUED, LocalCallState.RUNNING)


def _cancel_calls(rows: QuerySet[LocalCall]) -> int:
    return rows.update(state=LocalCallState.CANCELLED, finished_at=Now())


CALLS = Leases(
    LocalCall,
    waiting={"state": LocalCallState.QUEUED, "worker": ""},
    claimed={"state": LocalCallState.RUNNING},
    holder="worker",
    due_at="lease_expires_at",
    fail=_cancel_calls,
    create_holder=liveness.get_process_name,
)


class LocalBackend:
    """The backend that runs calls on our own workers."""

    poll_seconds = 3.0

    def spawn(self, calls: Sequence[Call]) -> dict[UUID, str]:
        """Store the calls and wake workers; the same attempt is never stored twice."""
        LocalCall.objects.bulk_create([_build_row(call) for call in calls], ignore_conflicts=True)
        rows = LocalCall.objects.filter(attempt_id__in=[call.attempt_id for call in calls])
        publish_calls([row for row in rows if row.state == LocalCallState.QUEUED])
        return {row.attempt_id: str(row.pk) for row in rows}

    def poll(self, call_ids: Collection[str]) -> dict[str, CallStatus]:
        """Return the status of each call; publish waiting calls again if messages are lost."""
        CALLS.expire(pk__in=call_ids)
        rows = {str(row.pk): row for row in LocalCall.objects.filter(pk__in=call_ids)}
        unpublished = _list_without_message(
            [row for row in rows.values() if row.state == LocalCallState.QUEUED]
        )
        if unpublished:
            logger.warning(
                "the messages of %d calls may be lost, and are sent again", len(unpublished)
            )
            publish_calls(unpublished)
        sent_again = {str(row.pk) for row in unpublished}
        return {
            call_id: _get_status(rows.get(call_id), call_id in sent_again) for call_id in call_ids
        }

    def stop(self, call_ids: Collection[str]) -> set[str]:
        """Cancel the calls; their workers notice when they next renew the lease."""
        _cancel_calls(LocalCall.objects.filter(pk__in=call_ids, state__in=UNDER_WAY))
        return set(call_ids)


def _list_without_message(waiting: Sequence[LocalCall]) -> list[LocalCall]:
    """Return the calls that no message announces, as far as that can be known."""
    list_in_queue = _list_missing_in_rabbitmq if settings.BROKER_IS_AMQP else _list_missing_in_redis
    queues = {row.queue for row in waiting}
    try:
        return [
            row
            for name in queues
            for row in list_in_queue(name, [call for call in waiting if call.queue == name])
        ]
    except BROKER_OUTAGES as exc:
        logger.warning("calls that wait are not looked after: %s", type(exc).__name__)
        return []


def _list_missing_in_redis(queue: str, waiting: Sequence[LocalCall]) -> list[LocalCall]:
    """Return the calls whose messages are not in a queue of Redis."""
    call_ids = _list_calls_in_redis(queue)
    return [row for row in waiting if str(row.pk) not in call_ids]


def _list_missing_in_rabbitmq(queue: str, waiting: Sequence[LocalCall]) -> list[LocalCall]:
    """Return as many calls as a queue has too few messages, the oldest first.

    RabbitMQ only counts its messages. Messages of other calls may hide a loss, so calls that have
    waited long are published again too. A surplus message does no harm: its call is claimed
    already.
    """
    messages = broker.count_messages([queue])[queue]
    rows = sorted(waiting, key=lambda row: row.created_at)
    missing = max(0, len(rows) - messages)
    if messages >= MAX_MESSAGES:
        return rows[:missing]
    # The database's clock wrote `created_at`, so it is compared with that clock.
    late = LocalCall.objects.filter(
        pk__in=[row.pk for row in rows[missing:]], created_at__lt=Now() - RESEND_AFTER
    )
    return [*rows[:missing], *late.order_by("created_at")]


def _list_calls_in_redis(queue: str) -> set[str]:
    """Return the ids of the calls that have messages in a queue of Redis."""
    with current_app.pool.acquire(block=True) as connection:
        # The stub types this pool's connections as producers.
        channel = connection.default_channel  # type: ignore[attr-defined]
        messages = channel.client.lrange(queue, 0, -1)
    return {_parse_task_id(message) for message in messages}


def _parse_task_id(message: bytes) -> str:
    """Return the id of a message's task, or an empty string for messages that are not ours."""
    try:
        return str(json.loads(message)["headers"]["id"])
    except (ValueError, TypeError, KeyError):
        return ""


def _get_status(row: LocalCall | None, sent_again: bool) -> CallStatus:
    if row is None or row.state == LocalCallState.CANCELLED:
        return CallStatus(CallState.LOST)
    if row.state == LocalCallState.DONE:
        return CallStatus(CallState.DONE, _parse_outcome(row))
    return CallStatus(CallState(row.state), sent_again=sent_again)


def _parse_outcome(row: LocalCall) -> Outcome:
    try:
        return Outcome.model_validate(row.outcome)
    except ValidationError:
        # Another version wrote it. It must not hide the other calls of the poll.
        logger.exception("the outcome of call %s cannot be read", row.pk)
        return Outcome.from_code(ErrorCode.MODEL_ERROR)


def _build_row(call: Call) -> LocalCall:
    return LocalCall(
        attempt_id=call.attempt_id,
        function=call.contract.name,
        engine=call.engine,
        queue=call.queue,
        payload=call.payload.model_dump(mode="json"),
    )


def publish_calls(rows: Sequence[LocalCall]) -> None:
    """Publish waiting calls, in messages that carry their ids."""
    leases.wake_rows(RUN_CALL, {row.pk: _build_options(row) for row in rows})


def _build_options(row: LocalCall) -> dict[str, object]:
    limit = contracts()[row.function].time_limit_seconds + HARD_LIMIT_GRACE_SECONDS
    return {"task_id": str(row.pk), "queue": row.queue, "time_limit": limit}


FATAL_CODES = frozenset({ErrorCode.MODEL_ERROR, ErrorCode.GPU_OOM})
"""After these errors, a process's GPU memory may be full, or its GPU may be unusable."""


def run(call_id: UUID) -> bool:
    """Claim a waiting call, run it, store its outcome and report it; ignore other calls.

    Return whether this process can run another call.
    """
    lease = CALLS.claim(call_id)
    row = lease.row.first() if lease else None
    if lease is None or row is None:
        return True
    with ids.bind_ids(call=call_id, attempt=row.attempt_id):
        return _run_claimed(row, lease)


def _run_claimed(row: LocalCall, lease: Lease[LocalCall]) -> bool:
    payload = contracts()[row.function].payload.model_validate(row.payload)
    # A worker of ours knows the secret, so the call's row need not hold the key.
    key = derive_attempt_key(secret=settings.GPU_CALLBACK_SECRET, attempt_id=payload.attempt_id)
    reporter = Reporter(payload=payload, call_id=str(row.pk), key=key)
    outcome = None
    try:
        with _renew_in_background(lease) as lease_lost:

            def progress(share: float, stage: Stage) -> None:
                if lease_lost.is_set():
                    raise StoppedError
                reporter.progress(share, stage)

            # The call no longer waits. If it is no longer wanted, it need not load anything.
            progress(0.0, Stage.LOADING)
            outcome = _run_call(row, payload, progress, reporter.request_grant)
            _store_through_outages(lease, outcome)
        reporter.outcome(outcome)
    except (StoppedError, LeaseLostError):
        logger.info("call %s stopped", row.pk)
        lease.fail()
    error = outcome.error if outcome else None
    return not (_is_on_gpu(row) and error and error.code in FATAL_CODES)


@contextmanager
def _renew_in_background(lease: Lease[LocalCall]) -> Iterator[threading.Event]:
    """Renew the lease in a thread while the context lasts; the event is set if it is lost."""
    stopping, lease_lost = threading.Event(), threading.Event()

    def renew() -> None:
        while not (lease_lost.is_set() or stopping.wait(settings.HEARTBEAT_SECONDS)):
            try:
                lease.renew()
            except LeaseLostError:
                lease_lost.set()
            except Error as exc:
                logger.warning("lease not renewed: %s", type(exc).__name__)
                connection.close()
        connection.close()

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield lease_lost
    finally:
        stopping.set()
        thread.join()


def _run_call(
    row: LocalCall,
    payload: Payload,
    progress: runner.Tell,
    request_grant: runner.RequestGrant,
) -> Outcome:
    try:
        loaded = _load_engine(row, payload)
    except Exception as exc:
        logger.exception("the %s engine of %s cannot be loaded", row.engine, row.function)
        return Outcome.from_code(runner.get_error_code(exc))
    return runner.run(
        engine=loaded.engine,
        payload=payload,
        progress=progress,
        request_grant=request_grant,
        load_seconds=loaded.seconds,
        time_limit_seconds=contracts()[row.function].time_limit_seconds,
    )


def _is_on_gpu(row: LocalCall) -> bool:
    return row.queue != GpuClass.CPU.queue


_engines = EngineCache()


@cache
def _get_isolated_engine(function: str, engine: str) -> IsolatedEngine:
    return IsolatedEngine(function, engine, _get_model_dir())


def _load_engine(row: LocalCall, payload: Payload) -> LoadedEngine:
    """Return the engine of a call.

    On a GPU, only as many engines stay loaded as its memory is configured to hold. On a CPU,
    engines that read users' files run in a sandbox.
    """
    on_gpu = _is_on_gpu(row)
    if not on_gpu and any(runner.list_files(payload, InputFile)):
        return LoadedEngine(_get_isolated_engine(row.function, row.engine), 0.0)
    device = settings.LOCAL_GPU_DEVICE if on_gpu else CPU_DEVICE
    dtype = CPU_DTYPE if device == CPU_DEVICE else contracts()[row.function].dtype
    return _engines.get(
        row.function,
        row.engine,
        Host(_get_model_dir(), device, dtype),
        at_most=settings.LOCAL_GPU_ENGINES if on_gpu else None,
    )


def _store_through_outages(lease: Lease[LocalCall], outcome: Outcome) -> None:
    """Store the outcome, and retry while the database is unreachable."""
    content = outcome.model_dump(mode="json")
    for tries_left in reversed(range(STORE_TRIES)):
        try:
            # The worker stays in the row, for later investigation.
            lease.finish(
                state=LocalCallState.DONE,
                outcome=content,
                finished_at=Now(),
                worker=lease.holder,
            )
        except (OperationalError, InterfaceError) as exc:
            if not tries_left:
                raise
            logger.warning("outcome of %s not stored yet: %s", lease.row_id, type(exc).__name__)
            connection.close()
            time.sleep(STORE_PAUSE_SECONDS)
        else:
            return


def _get_model_dir() -> Path | None:
    return Path(settings.MODEL_DIR) if settings.MODEL_DIR else None


def expire_killed_calls() -> None:
    """Expire the calls of dead processes of this machine, without waiting for their leases."""
    CALLS.expire(worker__startswith=liveness.build_process_name(""))


def release_calls_of_children(parent: int) -> None:
    """Release the calls of a stopping worker's children. It costs them no attempt."""
    rows = list(CALLS.list_claimed_rows(worker__startswith=liveness.build_process_name(parent, "")))
    CALLS.release(CALLS.list_claimed_rows(pk__in=[row.pk for row in rows]), timedelta(0))
    publish_calls(rows)
