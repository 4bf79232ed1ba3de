"""The local backend: calls are rows, run by Celery workers on the queues ``gpu.<class>``.

A call reports by the same signed callback as on Modal. Its worker renews a lease; who finds the
lease expired takes the call away, and the worker, should it still live, stops.
"""

import json
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection
from django.db.models import Q
from django.db.models.functions import Now
from kombu.exceptions import OperationalError as BrokerError
from pydantic import ValidationError
from redis.exceptions import RedisError

from auteur import ids, liveness
from gpu_tasks.runtime import runner
from gpu_tasks.runtime.backends.base import Call, CallState, CallStatus
from gpu_tasks.runtime.backends.models import LocalCall, LocalCallState
from gpu_tasks.runtime.callback import Reporter, attempt_key
from gpu_tasks.runtime.contract import GpuClass, InputFile, Outcome, Payload
from gpu_tasks.runtime.engine import contracts
from gpu_tasks.runtime.errors import ErrorCode, Stopped
from gpu_tasks.runtime.isolated import IsolatedEngine
from gpu_tasks.runtime.loading import Engines, Loaded

logger = logging.getLogger(__name__)

RUN_CALL = "gpu_tasks.run_call"
LEASE = timedelta(seconds=settings.WORKER_LEASE_SECONDS)
STORE_TRIES = 30
STORE_PAUSE_SECONDS = 1.0
CPU_DEVICE, CPU_DTYPE = "cpu", "float32"
HARD_LIMIT_GRACE_SECONDS = 120
"""After the time limit and this, the worker child is killed, should the engine not listen."""


def worker_name(parent: int | None = None) -> str:
    """This child's name; all children of one worker share the part before the last colon."""
    return liveness.name_of(parent or os.getppid(), os.getpid())


class LocalBackend:
    """Runs calls on workers of ours."""

    poll_seconds = 3.0

    def spawn(self, calls: Sequence[Call]) -> dict[UUID, str]:
        """Store the calls and wake workers; the same attempt is never stored twice."""
        LocalCall.objects.bulk_create([_row(call) for call in calls], ignore_conflicts=True)
        rows = LocalCall.objects.filter(attempt_id__in=[call.attempt_id for call in calls])
        waiting = [row for row in rows if row.state == LocalCallState.QUEUED]
        publish_all(waiting)
        return {row.attempt_id: str(row.pk) for row in rows}

    def poll(self, call_ids: Collection[str]) -> dict[str, CallStatus]:
        """How the calls stand; those that wait are published again if their messages are lost."""
        _end_lost(call_ids)
        rows = {str(row.pk): row for row in LocalCall.objects.filter(pk__in=call_ids)}
        lost = _without_message([r for r in rows.values() if r.state == LocalCallState.QUEUED])
        if lost:
            logger.warning("the messages of %d calls were lost, and are sent again", len(lost))
            publish_all(lost)
        sent_again = {str(row.pk) for row in lost}
        return {each: _status(rows.get(each), each in sent_again) for each in call_ids}

    def stop(self, call_ids: Collection[str]) -> None:
        """Take the calls away; their workers notice at the next renewal of the lease."""
        LocalCall.objects.filter(
            pk__in=call_ids, state__in=[LocalCallState.QUEUED, LocalCallState.RUNNING]
        ).update(state=LocalCallState.CANCELLED, finished_at=Now())


def _end_lost(call_ids: Collection[str]) -> None:
    """Take calls away from workers that are dead, or silent for a lease."""
    running = LocalCall.objects.filter(pk__in=call_ids, state=LocalCallState.RUNNING)
    workers = set(running.values_list("worker", flat=True))
    lost = Q(worker__in=[name for name in workers if liveness.is_gone(name)])
    if liveness.may_judge():
        lost |= Q(lease_expires_at__lt=Now())
    running.filter(lost).update(state=LocalCallState.CANCELLED, finished_at=Now())


def _without_message(waiting: Sequence[LocalCall]) -> list[LocalCall]:
    """Those that no worker will hear of: their messages are not in their queues."""
    by_queue: dict[str, list[LocalCall]] = defaultdict(list)
    for row in waiting:
        by_queue[row.queue].append(row)
    try:
        return [
            row
            for queue, rows in by_queue.items()
            for known in [_calls_in(queue)]
            for row in rows
            if str(row.pk) not in known
        ]
    except (BrokerError, RedisError) as exc:
        logger.warning("calls that wait are not looked after: %s", type(exc).__name__)
        return []


def _calls_in(queue: str) -> set[str]:
    """The calls that a queue holds messages of."""
    with current_app.pool.acquire(block=True) as broker:
        # The stub takes this pool's connections for producers.
        messages = broker.default_channel.client.lrange(queue, 0, -1)  # type: ignore[attr-defined]
    return {_id_of(message) for message in messages}


def _id_of(message: bytes) -> str:
    """Of its task; what is none of ours must not hide the others."""
    try:
        return str(json.loads(message)["headers"]["id"])
    except (ValueError, TypeError, KeyError):
        return ""


def _status(row: LocalCall | None, sent_again: bool) -> CallStatus:
    if row is None or row.state == LocalCallState.CANCELLED:
        return CallStatus(CallState.LOST)
    if row.state == LocalCallState.DONE:
        return CallStatus(CallState.DONE, _outcome_of(row))
    return CallStatus(CallState(row.state), sent_again=sent_again)


def _outcome_of(row: LocalCall) -> Outcome:
    try:
        return Outcome.model_validate(row.outcome)
    except ValidationError:
        # Of another version of ours; it must not hide the calls polled with it.
        logger.exception("the outcome of call %s cannot be read", row.pk)
        return Outcome.failed(ErrorCode.MODEL_ERROR)


def _row(call: Call) -> LocalCall:
    return LocalCall(
        attempt_id=call.attempt_id,
        function=call.contract.name,
        engine=call.engine,
        queue=call.queue,
        payload=call.payload.model_dump(mode="json"),
    )


def publish_all(rows: Sequence[LocalCall]) -> None:
    """Wake workers for waiting calls, by messages that have the calls' ids."""
    try:
        for row in rows:
            limit = contracts()[row.function].time_limit_seconds + HARD_LIMIT_GRACE_SECONDS
            call_id = str(row.pk)
            current_app.send_task(
                RUN_CALL, [call_id], task_id=call_id, queue=row.queue, time_limit=limit
            )
    except (BrokerError, RedisError) as exc:
        # It has kept us waiting for seconds: not once more for each call.
        logger.warning("calls not published: %s", type(exc).__name__)


SPOILING = frozenset({ErrorCode.MODEL_ERROR, ErrorCode.GPU_OOM})
"""After these a process's GPU memory may be full, or every further use of its GPU fail."""


def run(call_id: UUID) -> bool:
    """Claim a waiting call, run it, store its outcome and report it; all others are left alone.

    Returns whether this process is fit for another call.
    """
    worker = worker_name()
    claimed = LocalCall.objects.filter(pk=call_id, state=LocalCallState.QUEUED).update(
        state=LocalCallState.RUNNING, worker=worker, lease_expires_at=Now() + LEASE
    )
    if not claimed:
        return True
    row = LocalCall.objects.get(pk=call_id)
    with ids.bound(call=call_id, attempt=row.attempt_id):
        return _run(row, worker)


def _run(row: LocalCall, worker: str) -> bool:
    call_id = row.pk
    payload = contracts()[row.function].payload.model_validate(row.payload)
    # A worker of ours knows the secret, so the call's row need not hold the key.
    key = attempt_key(secret=settings.GPU_CALLBACK_SECRET, attempt_id=payload.attempt_id)
    reporter = Reporter(payload=payload, call_id=str(call_id), key=key)
    outcome = None
    try:
        with _Lease(call_id, worker) as lease:

            def progress(share: float) -> None:
                lease.check()
                reporter.progress(share)

            progress(0.0)  # it no longer waits; who is not wanted any more need not load anything
            outcome = _outcome(row, payload, progress, reporter.place_for)
            _store_through_outages(call_id, worker, outcome)
        reporter.outcome(outcome)
    except Stopped:
        logger.info("call %s stopped", call_id)
        LocalCall.objects.filter(pk=call_id, state=LocalCallState.RUNNING, worker=worker).update(
            state=LocalCallState.CANCELLED, finished_at=Now()
        )
    error = outcome.error if outcome else None
    return not (_is_on_gpu(row) and error and error.code in SPOILING)


def _outcome(
    row: LocalCall,
    payload: Payload,
    progress: Callable[[float], None],
    place_for: runner.PlaceFor,
) -> Outcome:
    try:
        loaded = _loaded(row, payload)
    except Exception as exc:
        logger.exception("the %s engine of %s cannot be loaded", row.engine, row.function)
        return Outcome.failed(runner.code_of(exc))
    return runner.run(
        engine=loaded.engine,
        payload=payload,
        progress=progress,
        place_for=place_for,
        load_seconds=loaded.seconds,
    )


def _is_on_gpu(row: LocalCall) -> bool:
    return row.queue != GpuClass.CPU.queue


_engines = Engines()


@cache
def _isolated(function: str, engine: str) -> IsolatedEngine:
    return IsolatedEngine(function, engine, _model_dir())


def _loaded(row: LocalCall, payload: Payload) -> Loaded:
    """The engine of a call; on a GPU, no more are kept than its memory is said to hold.

    On a CPU, what reads files of users runs in a sandbox.
    """
    on_gpu = _is_on_gpu(row)
    if not on_gpu and any(runner.files_of(payload, InputFile)):
        return Loaded(_isolated(row.function, row.engine), 0.0)
    device = settings.LOCAL_GPU_DEVICE if on_gpu else CPU_DEVICE
    dtype = CPU_DTYPE if device == CPU_DEVICE else contracts()[row.function].dtype
    return _engines.get(
        function=row.function,
        engine=row.engine,
        model_dir=_model_dir(),
        device=device,
        dtype=dtype,
        at_most=settings.LOCAL_GPU_ENGINES if on_gpu else None,
    )


def _store_through_outages(call_id: UUID, worker: str, outcome: Outcome) -> None:
    """What has been worked out must not be lost because the database restarts."""
    for _ in range(STORE_TRIES - 1):
        try:
            return _store(call_id, worker, outcome)
        except (OperationalError, InterfaceError) as exc:
            logger.warning("outcome of call %s not stored yet: %s", call_id, type(exc).__name__)
            connection.close()
            time.sleep(STORE_PAUSE_SECONDS)
    return _store(call_id, worker, outcome)


def _store(call_id: UUID, worker: str, outcome: Outcome) -> None:
    stored = LocalCall.objects.filter(
        pk=call_id, state=LocalCallState.RUNNING, worker=worker
    ).update(state=LocalCallState.DONE, outcome=outcome.model_dump(mode="json"), finished_at=Now())
    if not stored:
        raise Stopped


def _model_dir() -> Path | None:
    return Path(settings.MODEL_DIR) if settings.MODEL_DIR else None


def end_killed() -> None:
    """Let go of the calls of this machine's processes that are dead, without a lease's wait."""
    running = LocalCall.objects.filter(
        state=LocalCallState.RUNNING, worker__startswith=liveness.name_of("")
    )
    _end_lost([str(pk) for pk in running.values_list("pk", flat=True)])


def hand_back(parent: int) -> list[UUID]:
    """Let the calls of a stopping worker's children wait again, at no cost of an attempt."""
    prefix = worker_name(parent).rsplit(":", 1)[0] + ":"
    rows = list(LocalCall.objects.filter(state=LocalCallState.RUNNING, worker__startswith=prefix))
    LocalCall.objects.filter(pk__in=[row.pk for row in rows], state=LocalCallState.RUNNING).update(
        state=LocalCallState.QUEUED, worker="", lease_expires_at=None
    )
    publish_all(rows)
    return [row.pk for row in rows]


class _Lease:
    """Renews a running call's lease in a thread until the call ends or is taken away."""

    def __init__(self, call_id: UUID, worker: str) -> None:
        self._mine = Q(pk=call_id, state=LocalCallState.RUNNING, worker=worker)
        self._ended = threading.Event()
        self._taken = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> "_Lease":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Raise ``Stopped`` if the call is no longer ours."""
        if self._taken.is_set():
            raise Stopped

    def _renew(self) -> None:
        while not self._ended.wait(settings.HEARTBEAT_SECONDS):
            try:
                renewed = LocalCall.objects.filter(self._mine).update(
                    lease_expires_at=Now() + LEASE
                )
            except Error as exc:
                logger.warning("lease not renewed: %s", type(exc).__name__)
                connection.close()
                continue
            if not renewed:
                self._taken.set()
                break
        connection.close()
