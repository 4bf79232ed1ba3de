"""The local backend: calls are rows, run by Celery workers on the queues ``gpu.<class>``.

A call reports by the same signed callback as on Modal. Its worker renews a lease; who finds the
lease expired takes the call away, and the worker, should it still live, stops.
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

from auteur import broker, ids, leases, liveness
from auteur.broker import BROKER_OUTAGES
from auteur.leases import SENT_AGAIN_AFTER, Lease, LeaseLostError, Leases
from gpu_tasks.runtime import runner
from gpu_tasks.runtime.backends.base import Call, CallState, CallStatus
from gpu_tasks.runtime.backends.models import LocalCall, LocalCallState
from gpu_tasks.runtime.callback import Reporter, attempt_key
from gpu_tasks.runtime.contract import GpuClass, InputFile, Outcome, Payload
from gpu_tasks.runtime.engine import Host, contracts
from gpu_tasks.runtime.errors import ErrorCode, StoppedError
from gpu_tasks.runtime.isolated import IsolatedEngine
from gpu_tasks.runtime.loading import Engines, Loaded
from gpu_tasks.runtime.stages import Stage

logger = logging.getLogger(__name__)

RUN_CALL = "gpu_tasks.run_call"
STORE_TRIES = 30
STORE_PAUSE_SECONDS = 1.0
CPU_DEVICE, CPU_DTYPE = "cpu", "float32"
HARD_LIMIT_GRACE_SECONDS = 120
"""After the time limit and this, the worker child is killed, should the engine not listen."""
MAX_MESSAGES = 100
"""With so many in a queue of RabbitMQ, nobody is told of again because he has waited long."""
UNDER_WAY = (LocalCallState.QUEUED, LocalCallState.RUNNING)


def _cancel(rows: QuerySet[LocalCall]) -> int:
    return rows.update(state=LocalCallState.CANCELLED, finished_at=Now())


CALLS = Leases(
    LocalCall,
    waiting={"state": LocalCallState.QUEUED, "worker": ""},
    held={"state": LocalCallState.RUNNING},
    holder="worker",
    due_at="lease_expires_at",
    fail=_cancel,
    new_holder=liveness.process_name,
)


class LocalBackend:
    """Runs calls on workers of ours."""

    poll_seconds = 3.0

    def spawn(self, calls: Sequence[Call]) -> dict[UUID, str]:
        """Store the calls and wake workers; the same attempt is never stored twice."""
        LocalCall.objects.bulk_create([_row(call) for call in calls], ignore_conflicts=True)
        rows = LocalCall.objects.filter(attempt_id__in=[call.attempt_id for call in calls])
        publish_all([row for row in rows if row.state == LocalCallState.QUEUED])
        return {row.attempt_id: str(row.pk) for row in rows}

    def poll(self, call_ids: Collection[str]) -> dict[str, CallStatus]:
        """How the calls stand; those that wait are published again if their messages are lost."""
        CALLS.expire(pk__in=call_ids)
        rows = {str(row.pk): row for row in LocalCall.objects.filter(pk__in=call_ids)}
        lost = _without_message([r for r in rows.values() if r.state == LocalCallState.QUEUED])
        if lost:
            logger.warning("the messages of %d calls may be lost, and are sent again", len(lost))
            publish_all(lost)
        sent_again = {str(row.pk) for row in lost}
        return {each: _status(rows.get(each), each in sent_again) for each in call_ids}

    def stop(self, call_ids: Collection[str]) -> set[str]:
        """Take the calls away; their workers notice at the next renewal of the lease."""
        _cancel(LocalCall.objects.filter(pk__in=call_ids, state__in=UNDER_WAY))
        return set(call_ids)


def _without_message(waiting: Sequence[LocalCall]) -> list[LocalCall]:
    """Those that no worker will hear of, as far as it can be known."""
    look = _uncounted if settings.BROKER_IS_AMQP else _unlisted
    queues = {row.queue for row in waiting}
    try:
        return [
            lost for name in queues for lost in look(name, [r for r in waiting if r.queue == name])
        ]
    except BROKER_OUTAGES as exc:
        logger.warning("calls that wait are not looked after: %s", type(exc).__name__)
        return []


def _unlisted(queue: str, waiting: Sequence[LocalCall]) -> list[LocalCall]:
    """Those whose messages are not in a queue of Redis."""
    known = _calls_in(queue)
    return [row for row in waiting if str(row.pk) not in known]


def _uncounted(queue: str, waiting: Sequence[LocalCall]) -> list[LocalCall]:
    """As many as a queue has messages too few, the oldest calls first: RabbitMQ only counts them.

    Messages of other calls may hide a loss, so who has waited long is told of again as well; a
    message too many finds its call taken.
    """
    messages = broker.count_messages([queue])[queue]
    rows = sorted(waiting, key=lambda row: row.created_at)
    missing = max(0, len(rows) - messages)
    if messages >= MAX_MESSAGES:
        return rows[:missing]
    # By the database's clock, which wrote `created_at`.
    late = LocalCall.objects.filter(
        pk__in=[row.pk for row in rows[missing:]], created_at__lt=Now() - SENT_AGAIN_AFTER
    )
    return [*rows[:missing], *late.order_by("created_at")]


def _calls_in(queue: str) -> set[str]:
    """The calls that a queue of Redis holds messages of."""
    with current_app.pool.acquire(block=True) as connection:
        # The stub takes this pool's connections for producers.
        channel = connection.default_channel  # type: ignore[attr-defined]
        messages = channel.client.lrange(queue, 0, -1)
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
    leases.wake_rows(RUN_CALL, {row.pk: _options(row) for row in rows})


def _options(row: LocalCall) -> dict[str, object]:
    limit = contracts()[row.function].time_limit_seconds + HARD_LIMIT_GRACE_SECONDS
    return {"task_id": str(row.pk), "queue": row.queue, "time_limit": limit}


SPOILING = frozenset({ErrorCode.MODEL_ERROR, ErrorCode.GPU_OOM})
"""After these a process's GPU memory may be full, or every further use of its GPU fail."""


def run(call_id: UUID) -> bool:
    """Claim a waiting call, run it, store its outcome and report it; all others are left alone.

    Returns whether this process is fit for another call.
    """
    lease = CALLS.claim(call_id)
    row = lease.row.first() if lease else None
    if lease is None or row is None:
        return True
    with ids.bind_ids(call=call_id, attempt=row.attempt_id):
        return _run(row, lease)


def _run(row: LocalCall, lease: Lease[LocalCall]) -> bool:
    payload = contracts()[row.function].payload.model_validate(row.payload)
    # A worker of ours knows the secret, so the call's row need not hold the key.
    key = attempt_key(secret=settings.GPU_CALLBACK_SECRET, attempt_id=payload.attempt_id)
    reporter = Reporter(payload=payload, call_id=str(row.pk), key=key)
    outcome = None
    try:
        with _renewing(lease) as lost:

            def progress(share: float, stage: Stage) -> None:
                if lost.is_set():
                    raise StoppedError
                reporter.progress(share, stage)

            # It no longer waits; and who is not wanted any more need not load anything.
            progress(0.0, Stage.LOADING)
            outcome = _outcome(row, payload, progress, reporter.place_for)
            _store_through_outages(lease, outcome)
        reporter.outcome(outcome)
    except (StoppedError, LeaseLostError):
        logger.info("call %s stopped", row.pk)
        lease.fail()
    error = outcome.error if outcome else None
    return not (_is_on_gpu(row) and error and error.code in SPOILING)


@contextmanager
def _renewing(lease: Lease[LocalCall]) -> Iterator[threading.Event]:
    """Renew the lease in a thread meanwhile; the event is set once it is lost."""
    ended, lost = threading.Event(), threading.Event()

    def renew() -> None:
        while not (lost.is_set() or ended.wait(settings.HEARTBEAT_SECONDS)):
            try:
                lease.renew()
            except LeaseLostError:
                lost.set()
            except Error as exc:
                logger.warning("lease not renewed: %s", type(exc).__name__)
                connection.close()
        connection.close()

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        ended.set()
        thread.join()


def _outcome(
    row: LocalCall,
    payload: Payload,
    progress: runner.Tell,
    place_for: runner.PlaceFor,
) -> Outcome:
    try:
        loaded = _load(row, payload)
    except Exception as exc:
        logger.exception("the %s engine of %s cannot be loaded", row.engine, row.function)
        return Outcome.failed(runner.code_of(exc))
    return runner.run(
        engine=loaded.engine,
        payload=payload,
        progress=progress,
        place_for=place_for,
        load_seconds=loaded.seconds,
        time_limit_seconds=contracts()[row.function].time_limit_seconds,
    )


def _is_on_gpu(row: LocalCall) -> bool:
    return row.queue != GpuClass.CPU.queue


_engines = Engines()


@cache
def _isolated_engine(function: str, engine: str) -> IsolatedEngine:
    return IsolatedEngine(function, engine, _model_dir())


def _load(row: LocalCall, payload: Payload) -> Loaded:
    """The engine of a call; on a GPU, no more are kept than its memory is said to hold.

    On a CPU, what reads files of users runs in a sandbox.
    """
    on_gpu = _is_on_gpu(row)
    if not on_gpu and any(runner.files_of(payload, InputFile)):
        return Loaded(_isolated_engine(row.function, row.engine), 0.0)
    device = settings.LOCAL_GPU_DEVICE if on_gpu else CPU_DEVICE
    dtype = CPU_DTYPE if device == CPU_DEVICE else contracts()[row.function].dtype
    return _engines.get(
        row.function,
        row.engine,
        Host(_model_dir(), device, dtype),
        at_most=settings.LOCAL_GPU_ENGINES if on_gpu else None,
    )


def _store_through_outages(lease: Lease[LocalCall], outcome: Outcome) -> None:
    """What has been worked out must not be lost because the database restarts."""
    stored = outcome.model_dump(mode="json")
    for tries_left in reversed(range(STORE_TRIES)):
        try:
            # Who ran it is kept, for whoever looks into it later.
            lease.finish(
                state=LocalCallState.DONE,
                outcome=stored,
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


def _model_dir() -> Path | None:
    return Path(settings.MODEL_DIR) if settings.MODEL_DIR else None


def expire_killed() -> None:
    """Let go of the calls of this machine's processes that are dead, without a lease's wait."""
    CALLS.expire(worker__startswith=liveness.build_process_name(""))


def release_all_of(parent: int) -> None:
    """Let the calls of a stopping worker's children wait again, at no cost of an attempt."""
    rows = list(CALLS.held_rows(worker__startswith=liveness.build_process_name(parent, "")))
    CALLS.release(CALLS.held_rows(pk__in=[row.pk for row in rows]), timedelta(0))
    publish_all(rows)
