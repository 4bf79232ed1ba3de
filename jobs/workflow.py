"""Do the steps for many attempts at once; the error of one does not affect the others."""

import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DataError, connection

from auteur.core.api.problems import OUTAGES, UnavailableProblem
from gpu_tasks.runtime.contract import InputFile, Outcome, OutputFile, Payload
from gpu_tasks.runtime.errors import POLICIES, EngineError, ErrorCode
from jobs import lifecycle
from jobs.calls.backends.base import Call
from jobs.calls.backends.registry import get_backend
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
"""The values that a step has computed, by attempt."""
Errors = dict[UUID, JobError]
"""Why attempts failed in a step, of those that are not retried."""

AWAY: tuple[type[Exception], ...] = (UnavailableProblem, *OUTAGES)

OUTAGE_PAUSE = timedelta(seconds=5)
"""The first pause of an attempt after an outage of a store."""
MAX_OUTAGE_PAUSE = timedelta(minutes=5)
"""The longest pause between two tries of the same step."""
START_PATIENCE = timedelta(minutes=1)
"""Time from the creation of an attempt for which it is offered to a backend that accepts no calls.
Then it is a lost attempt, which the circuits count."""
BATCH_SECONDS = 20.0
"""Time after which the remaining attempts of a batch are requeued, before their leases end."""
LOST_MACHINE = JobError.of(ErrorCode.GPU_UNAVAILABLE)
RELEASE_TRIES = 30
RELEASE_PAUSE_SECONDS = 1.0
"""Pause before each try to release claims after an outage."""


@dataclass
class StepResult:
    """What is left to do after a step."""

    claimed: list[Attempt] = field(default_factory=list)
    """The attempts that this worker now holds for the next step."""
    errors: Errors = field(default_factory=dict)
    """The attempts that have failed, whose jobs the step's task must end. This worker still holds
    them. Errors that are retried are not here: they are stored for the orchestrator."""


def prepare(attempt_ids: Sequence[UUID], *, hands_over: bool = False) -> StepResult:
    """Check that the inputs still exist, and store the payloads of the calls.

    With ``hands_over``, claim the attempts for `dispatch` as well (docs/decisions/0045).
    """
    worker, result = current_worker(), StepResult()
    attempts = lifecycle.claim(step=PREPARE, attempt_ids=attempt_ids, worker=worker)
    values = _run_each(PREPARE, attempts, _prepare_attempt, result.errors)
    to = DISPATCH if hands_over else None
    result.claimed = _finish_step(PREPARE, worker, attempts, values, to, result.errors)
    failpoint("after_commit_prepare")
    return result


def _prepare_attempt(attempt: Attempt) -> dict[str, Any]:
    payload = get_feature(attempt.job.type).prepare(attempt.job, attempt)
    return {"payload": {name: _to_storable(value) for name, value in payload.items()}}


def _to_storable(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_to_storable(item) for item in value]
    if isinstance(value, Read):
        return {"read": {"key": value.key, "name": value.name}}
    if isinstance(value, Write):
        return {"write": {"key": value.key, "content_type": value.content_type}}
    return value


def dispatch(
    attempt_ids: Sequence[UUID], *, claimed: Sequence[Attempt] | None = None
) -> StepResult:
    """Start the calls and store their ids, without waiting for any call.

    ``claimed`` are the attempts that `prepare` has handed over; nothing else is claimed then.
    """
    result, attempts = StepResult(), claimed
    if attempts is None:
        attempts = lifecycle.claim(step=DISPATCH, attempt_ids=attempt_ids, worker=current_worker())
    calls = _run_each(DISPATCH, attempts, _build_call, result.errors)
    by_backend: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if attempt.pk in calls:
            by_backend[attempt.backend].append(attempt)
    for name, group in by_backend.items():
        _start_calls(name, group, [calls[attempt.pk]["call"] for attempt in group])
    return result


def _build_call(attempt: Attempt) -> dict[str, Any]:
    feature = get_feature(attempt.job.type)
    queue = feature.gpu_class.queue
    payload = signed_payload(attempt)
    return {"call": Call(attempt.pk, feature.contract, attempt.engine, queue, payload)}


def _start_calls(backend: str, attempts: Sequence[Attempt], calls: Sequence[Call]) -> None:
    try:
        call_ids = get_backend(backend).spawn(calls)
    except CALLS_AWAY as exc:
        # No call was started, so the same attempts are offered again for a while.
        logger.warning("%d calls wait: %s", len(calls), type(exc).__name__)
        for attempt in attempts:
            if attempt.waited < START_PATIENCE:
                _requeue_attempts(DISPATCH, [attempt.pk], outage_pause(attempt))
            else:
                _mark_attempt_errored(DISPATCH, attempt.pk, LOST_MACHINE)
        return
    failpoint("after_spawn")
    lifecycle.record_started_calls(call_ids=call_ids)
    for attempt in attempts:
        if attempt.pk not in call_ids:
            # The call was refused, or started without a response. A new attempt gets another id,
            # and a call that reports for this one must stop.
            _mark_attempt_errored(DISPATCH, attempt.pk, LOST_MACHINE)


def signed_payload(attempt: Attempt) -> Payload:
    """Return the call's payload with fresh signed URLs of its inputs, checked against the contract.

    The call requests the URLs of its outputs later (`jobs.http.callbacks.gpu_output`).
    """
    storage = object_storage()
    contract = get_feature(attempt.job.type).contract
    # A call may wait for its worker for as long as its job may run.
    expires = int(get_feature(attempt.job.type).run_limit.total_seconds())

    def sign(value: Any) -> Any:
        if isinstance(value, list):
            return [sign(item) for item in value]
        if isinstance(value, dict) and set(value) == {"read"}:
            read = Read(**value["read"])
            return InputFile(url=storage.presigned_get(read.key, expires=expires), name=read.name)
        if isinstance(value, dict) and set(value) == {"write"}:
            return OutputFile(**value["write"])
        return value

    fields = {name: sign(value) for name, value in (attempt.payload or {}).items()}
    return contract.payload(
        job_id=attempt.job_id,
        attempt_id=attempt.pk,
        callback_url=settings.GPU_CALLBACK_URL,
        **fields,
    )


def collect(attempt_ids: Sequence[UUID], *, hands_over: bool = False) -> StepResult:
    """Check the reported results; from this claim on it is too late to cancel.

    With ``hands_over``, claim the attempts for `finalize` as well, and complete those jobs at once
    that have nothing to deliver.
    """
    worker, result = current_worker(), StepResult()
    attempts = lifecycle.claim(step=COLLECT, attempt_ids=attempt_ids, worker=worker)
    values = _run_each(COLLECT, attempts, _collect_result, result.errors)
    ids_without_delivery = {
        attempt.pk
        for attempt in attempts
        if hands_over
        and attempt.pk in values
        and not get_feature(attempt.job.type).delivers(values[attempt.pk]["result"])
    }
    if ids_without_delivery:
        completable = {pk: values[pk] for pk in ids_without_delivery}
        _complete_jobs(COLLECT, worker, completable, result.errors)
        values = {pk: fields for pk, fields in values.items() if pk not in ids_without_delivery}
    to = FINALIZE if hands_over else None
    result.claimed = _finish_step(COLLECT, worker, attempts, values, to, result.errors)
    failpoint("after_commit_collect")
    return result


def _collect_result(attempt: Attempt) -> dict[str, Any]:
    feature = get_feature(attempt.job.type)
    outcome = Outcome.model_validate(attempt.outcome)
    result = feature.contract.result.model_validate(outcome.result)
    output = feature.collect(attempt, result)
    output["engine"] = outcome.engine.model_dump() if outcome.engine else None
    return {"result": output, "used_credits": feature.used_credits(attempt.job, output)}


def finalize(
    attempt_ids: Sequence[UUID], *, claimed: Sequence[Attempt] | None = None
) -> StepResult:
    """Deliver the results, then complete the jobs.

    ``claimed`` are the attempts that `collect` has handed over; nothing else is claimed then.
    """
    worker, result, attempts = current_worker(), StepResult(), claimed
    if attempts is None:
        attempts = lifecycle.claim(step=FINALIZE, attempt_ids=attempt_ids, worker=worker)
    if attempts:
        values = _run_each(FINALIZE, attempts, _deliver_result, result.errors)
        _complete_jobs(FINALIZE, worker, values, result.errors)
    return result


def _complete_jobs(step: Step, worker: str, values_by_id: Values, errors: Errors) -> None:
    failpoint("before_complete")
    _store_values(
        step,
        values_by_id,
        lambda values: lifecycle.complete(
            attempt_ids=list(values), worker=worker, step=step, values=values
        ),
        errors,
    )


def _deliver_result(attempt: Attempt) -> dict[str, Any]:
    get_feature(attempt.job.type).deliver(attempt.job, attempt.result or {})
    return {}


def _run_each(
    step: Step,
    attempts: Sequence[Attempt],
    work: Callable[[Attempt], dict[str, Any]],
    errors: Errors,
) -> Values:
    """Return the values of the attempts that succeed; requeue the others, or record their error."""
    values = {}
    if attempts:
        failpoint(f"after_claim_{step.name}")
    started_at = time.monotonic()
    for index, attempt in enumerate(attempts):
        if time.monotonic() - started_at > BATCH_SECONDS:
            _requeue_attempts(step, [later.pk for later in attempts[index:]], timedelta(0))
            break
        try:
            values[attempt.pk] = work(attempt)
        except AWAY as exc:
            logger.warning("%s of %s waits: %s", step.name, attempt.pk, type(exc).__name__)
            if is_refusal(exc) and attempt.outcome is None:
                _record_error(step, attempt.pk, EngineError(ErrorCode.STORAGE_ERROR), errors)
            else:
                # An existing result is not computed again just because a store refuses it.
                _requeue_attempts(step, [attempt.pk], outage_pause(attempt))
        except Exception as exc:
            if not isinstance(exc, EngineError):
                logger.exception("%s of %s failed", step.name, attempt.pk)
            _record_error(step, attempt.pk, exc, errors)
    return values


def _record_error(step: Step, attempt_id: UUID, exc: Exception, errors: Errors) -> None:
    """Store an error that is retried, for the orchestrator; add any other to ``errors``."""
    error = JobError.from_exception(exc)
    if POLICIES[error.code].retried:
        _mark_attempt_errored(step, attempt_id, error)
    else:
        errors[attempt_id] = error


def outage_pause(attempt: Attempt) -> timedelta:
    """Return how long a step waits for a store or backend: as long as it has waited so far.

    So the pause doubles with each try, from `OUTAGE_PAUSE` to `MAX_OUTAGE_PAUSE`, with jitter.
    """
    pause = min(max(attempt.waited, OUTAGE_PAUSE), MAX_OUTAGE_PAUSE)
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def release(step: Step, attempt_ids: Sequence[UUID]) -> None:
    """Release this child's claims after an outage, because no one takes them from a living worker.

    If the store stays away for longer than the tries, the leases end.
    """
    for _ in range(RELEASE_TRIES):
        time.sleep(RELEASE_PAUSE_SECONDS)
        try:
            if step.repeatable:
                _requeue_attempts(step, attempt_ids, timedelta(0))
            else:  # Calls may have been started.
                for attempt_id in attempt_ids:
                    _mark_attempt_errored(step, attempt_id, LOST_MACHINE)
            break
        except OUTAGES:
            connection.close()


def _requeue_attempts(step: Step, attempt_ids: Sequence[UUID], after: timedelta) -> None:
    lifecycle.requeue(
        step=step,
        attempt_ids=attempt_ids,
        after=after,
        crashed=False,
        worker=current_worker(),
    )


def _mark_attempt_errored(step: Step, attempt_id: UUID, error: JobError) -> None:
    lifecycle.mark_errored(
        attempt_id=attempt_id,
        error=error,
        states=[step.holds],
        worker=current_worker(),
    )


def _finish_step(
    step: Step,
    worker: str,
    attempts: Sequence[Attempt],
    values_by_id: Values,
    to: Step | None,
    errors: Errors,
) -> list[Attempt]:
    """Finish the step, or hand over ``to`` the next one; return the attempts to continue with."""
    if to is None:
        _store_values(
            step,
            values_by_id,
            lambda values: lifecycle.finish(step=step, worker=worker, values=values),
            errors,
        )
        return []
    next_attempts: list[Attempt] = []
    _store_values(
        step,
        values_by_id,
        lambda values: next_attempts.extend(
            lifecycle.hand_over(step=step, to=to, worker=worker, attempts=attempts, values=values)
        ),
        errors,
    )
    return next_attempts


def _store_values(
    step: Step, values_by_id: Values, store: Callable[[Values], object], errors: Errors
) -> None:
    """Store all values at once; if the database refuses one, store them one by one."""
    if not values_by_id:
        return
    try:
        store(values_by_id)
    except DataError:
        for attempt_id, values in values_by_id.items():
            try:
                store({attempt_id: values})
            except DataError as exc:
                logger.warning("%s of %s made what cannot be stored", step.name, attempt_id)
                _record_error(step, attempt_id, exc, errors)
