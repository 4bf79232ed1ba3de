"""What each step does, for many attempts at once; the error of one does not affect the others."""

import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DataError, connection

from auteur.api.problems import OUTAGES, UnavailableProblem
from gpu_tasks.runtime.backends.base import Call
from gpu_tasks.runtime.backends.registry import backend_of
from gpu_tasks.runtime.contract import InputFile, Outcome, OutputFile, Payload
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from jobs import lifecycle
from jobs.errors import CALLS_AWAY, JobError
from jobs.failpoints import failpoint
from jobs.features.files import Read, Write
from jobs.features.registry import get_feature
from jobs.heartbeat import current_worker
from jobs.models import Attempt
from jobs.states import COLLECT, DISPATCH, FINALIZE, PREPARE, Step
from media.storage import is_refusal, object_storage

logger = logging.getLogger(__name__)

Values = dict[UUID, dict[str, Any]]
"""What a step has made of each attempt."""

AWAY: tuple[type[Exception], ...] = (UnavailableProblem, *OUTAGES)

OUTAGE_PAUSE = timedelta(seconds=5)
"""How long an attempt waits after a store was away, at first."""
MAX_OUTAGE_PAUSE = timedelta(minutes=5)
"""How long it waits at most between two tries of the same step."""
START_PATIENCE = timedelta(minutes=1)
"""From the creation of an attempt: so long it is offered to a backend that takes no calls. Then it
is a lost attempt, which the circuits see."""
BATCH_SECONDS = 20.0
"""After this, the rest of a batch is requeued, before its leases end."""
RELEASE_TRIES = 30
RELEASE_PAUSE_SECONDS = 1.0
"""Before each try to release claims after an outage."""


def prepare(attempt_ids: Sequence[UUID], *, goes_on: bool = False) -> None:
    """Check that the inputs still exist, and store what the calls will get.

    Who ``goes_on`` starts them, too (docs/decisions/0045).
    """
    worker = current_worker()
    held = lifecycle.claim(step=PREPARE, attempt_ids=attempt_ids, worker=worker)
    done = _run_each(PREPARE, held, _prepare)
    held = _finish(PREPARE, worker, held, done, DISPATCH if goes_on else None)
    failpoint("after_commit_prepare")
    _dispatch(held)


def _prepare(attempt: Attempt) -> dict[str, Any]:
    payload = get_feature(attempt.job.type).prepare(attempt.job, attempt)
    return {"payload": {name: _unsigned(value) for name, value in payload.items()}}


def _unsigned(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_unsigned(one) for one in value]
    if isinstance(value, Read):
        return {"read": {"key": value.key, "name": value.name}}
    if isinstance(value, Write):
        return {"write": {"key": value.key, "content_type": value.content_type}}
    return value


def dispatch(attempt_ids: Sequence[UUID]) -> None:
    """Start the calls and store their ids; nothing waits for a call."""
    _dispatch(lifecycle.claim(step=DISPATCH, attempt_ids=attempt_ids, worker=current_worker()))


def _dispatch(held: Sequence[Attempt]) -> None:
    calls = _run_each(DISPATCH, held, _call)
    by_backend: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in held:
        if attempt.pk in calls:
            by_backend[attempt.backend].append(attempt)
    for name, group in by_backend.items():
        _spawn(name, group, [calls[attempt.pk]["call"] for attempt in group])


def _call(attempt: Attempt) -> dict[str, Any]:
    feature = get_feature(attempt.job.type)
    queue = feature.gpu_class.queue
    payload = signed_payload(attempt)
    return {"call": Call(attempt.pk, feature.contract, attempt.engine, queue, payload)}


def _spawn(backend: str, attempts: Sequence[Attempt], calls: Sequence[Call]) -> None:
    try:
        started = backend_of(backend).spawn(calls)
    except CALLS_AWAY as exc:
        # None was started: the same attempts are offered again, for a while.
        logger.warning("%d calls wait: %s", len(calls), type(exc).__name__)
        for attempt in attempts:
            if attempt.waited < START_PATIENCE:
                _requeue(DISPATCH, [attempt.pk], outage_pause(attempt))
            else:
                _mark_errored(DISPATCH, attempt.pk, EngineError(ErrorCode.GPU_UNAVAILABLE))
        return
    failpoint("after_spawn")
    lifecycle.record_started_calls(call_ids=started)
    for attempt in attempts:
        if attempt.pk not in started:
            # Refused, or started without an answer: another attempt gets another id, and a call
            # that reports for this one is told to stop.
            _mark_errored(DISPATCH, attempt.pk, EngineError(ErrorCode.GPU_UNAVAILABLE))


def signed_payload(attempt: Attempt) -> Payload:
    """The call's payload with freshly signed URLs of what it reads, checked against the contract.

    It asks for the URLs that it writes to later (`jobs.callbacks.gpu_output`).
    """
    storage = object_storage()
    contract = get_feature(attempt.job.type).contract
    # A call may wait for its worker: as long as its job may run.
    expires = int(get_feature(attempt.job.type).run_limit.total_seconds())

    def signed(value: Any) -> Any:
        if isinstance(value, list):
            return [signed(one) for one in value]
        if isinstance(value, dict) and set(value) == {"read"}:
            read = Read(**value["read"])
            return InputFile(url=storage.presigned_get(read.key, expires=expires), name=read.name)
        if isinstance(value, dict) and set(value) == {"write"}:
            return OutputFile(**value["write"])
        return value

    fields = {name: signed(value) for name, value in (attempt.payload or {}).items()}
    return contract.payload(
        job_id=attempt.job_id,
        attempt_id=attempt.pk,
        callback_url=settings.GPU_CALLBACK_URL,
        **fields,
    )


def collect(attempt_ids: Sequence[UUID], *, goes_on: bool = False) -> None:
    """Check the reported results; from this claim on it is too late to cancel.

    Who ``goes_on`` delivers them, too, and completes the jobs; those that have nothing to deliver
    are completed at once.
    """
    worker = current_worker()
    held = lifecycle.claim(step=COLLECT, attempt_ids=attempt_ids, worker=worker)
    done = _run_each(COLLECT, held, _collect)
    plain = {one.pk for one in held if goes_on and one.pk in done and not _delivers(one, done)}
    if plain:
        _complete(COLLECT, worker, {pk: done[pk] for pk in plain})
        done = {pk: values for pk, values in done.items() if pk not in plain}
    held = _finish(COLLECT, worker, held, done, FINALIZE if goes_on else None)
    failpoint("after_commit_collect")
    _finalize(worker, held)


def _delivers(attempt: Attempt, done: Mapping[UUID, Mapping[str, Any]]) -> bool:
    return get_feature(attempt.job.type).delivers(done[attempt.pk]["result"])


def _collect(attempt: Attempt) -> dict[str, Any]:
    feature = get_feature(attempt.job.type)
    outcome = Outcome.model_validate(attempt.outcome)
    result = feature.contract.result.model_validate(outcome.result)
    output = feature.collect(attempt, result)
    output["engine"] = outcome.engine.model_dump() if outcome.engine else None
    return {"result": output, "used_credits": feature.used_credits(attempt.job, output)}


def finalize(attempt_ids: Sequence[UUID]) -> None:
    """Deliver the results, then complete the jobs."""
    worker = current_worker()
    _finalize(worker, lifecycle.claim(step=FINALIZE, attempt_ids=attempt_ids, worker=worker))


def _finalize(worker: str, held: Sequence[Attempt]) -> None:
    if held:
        _complete(FINALIZE, worker, _run_each(FINALIZE, held, _deliver))


def _complete(step: Step, worker: str, done: Values) -> None:
    failpoint("before_complete")
    _each_storable(
        step,
        done,
        lambda values: lifecycle.complete(
            attempt_ids=list(values), worker=worker, step=step, values=values
        ),
    )


def _deliver(attempt: Attempt) -> dict[str, Any]:
    get_feature(attempt.job.type).deliver(attempt.job, attempt.result or {})
    return {}


def _run_each(
    step: Step, attempts: Sequence[Attempt], work: Callable[[Attempt], dict[str, Any]]
) -> dict[UUID, dict[str, Any]]:
    """The values of those that succeed; each of the others is requeued or marked as errored."""
    done = {}
    if attempts:
        failpoint(f"after_claim_{step.name}")
    started = time.monotonic()
    for place, attempt in enumerate(attempts):
        if time.monotonic() - started > BATCH_SECONDS:
            _requeue(step, [late.pk for late in attempts[place:]], timedelta(0))
            break
        try:
            done[attempt.pk] = work(attempt)
        except AWAY as exc:
            logger.warning("%s of %s waits: %s", step.name, attempt.pk, type(exc).__name__)
            if is_refusal(exc) and attempt.outcome is None:
                _mark_errored(step, attempt.pk, EngineError(ErrorCode.STORAGE_ERROR))
            else:
                # A result that is there is never computed again because a store refuses it.
                _requeue(step, [attempt.pk], outage_pause(attempt))
        except Exception as exc:
            if not isinstance(exc, EngineError):
                logger.exception("%s of %s failed", step.name, attempt.pk)
            _mark_errored(step, attempt.pk, exc)
    return done


def outage_pause(attempt: Attempt) -> timedelta:
    """Return how long a step waits for a store or backend: as long as it has waited so far.

    So the pause doubles with each try, from `OUTAGE_PAUSE` to `MAX_OUTAGE_PAUSE`, with jitter.
    """
    pause = min(max(attempt.waited, OUTAGE_PAUSE), MAX_OUTAGE_PAUSE)
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def release(step: Step, attempt_ids: Sequence[UUID]) -> None:
    """After an outage: release what this child holds, since nobody takes it from a living worker.

    If the store stays away for longer than the tries, the leases end.
    """
    for _ in range(RELEASE_TRIES):
        time.sleep(RELEASE_PAUSE_SECONDS)
        try:
            if step.repeatable:
                _requeue(step, attempt_ids, timedelta(0))
            else:  # calls may have been started
                for attempt_id in attempt_ids:
                    _mark_errored(step, attempt_id, EngineError(ErrorCode.GPU_UNAVAILABLE))
            break
        except OUTAGES:
            connection.close()


def _requeue(step: Step, attempt_ids: Sequence[UUID], after: timedelta) -> None:
    lifecycle.requeue(
        step=step,
        attempt_ids=attempt_ids,
        after=after,
        crashed=False,
        worker=current_worker(),
    )


def _mark_errored(step: Step, attempt_id: UUID, exc: Exception) -> None:
    lifecycle.mark_errored(
        attempt_id=attempt_id,
        error=JobError.from_exception(exc),
        states=[step.holds],
        worker=current_worker(),
    )


def _finish(
    step: Step, worker: str, held: Sequence[Attempt], done: Values, to: Step | None
) -> list[Attempt]:
    """Finish the step; or hand over ``to`` the next one: with those this worker goes on."""
    if to is None:
        _each_storable(
            step,
            done,
            lambda values: lifecycle.finish(step=step, worker=worker, values=values),
        )
        return []
    handed: list[Attempt] = []
    _each_storable(
        step,
        done,
        lambda values: handed.extend(
            lifecycle.hand_over(step=step, to=to, worker=worker, attempts=held, values=values)
        ),
    )
    return handed


def _each_storable(step: Step, done: Values, store: Callable[[Values], object]) -> None:
    """Store all at once; where the database refuses a value, one by one."""
    if not done:
        return
    try:
        store(done)
    except DataError:
        for attempt_id, values in done.items():
            try:
                store({attempt_id: values})
            except DataError as exc:
                logger.warning("%s of %s made what cannot be stored", step.name, attempt_id)
                _mark_errored(step, attempt_id, exc)
