"""What each step does, for many attempts at once; a neighbour's error harms nobody."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from auteur.api.problems import OUTAGES
from gpu_tasks.backends.base import BackendUnavailable, Call
from gpu_tasks.backends.registry import backend_of
from gpu_tasks.contract import InputFile, Outcome, OutputFile, Payload
from gpu_tasks.errors import EngineError, ErrorCode
from jobs import lifecycle
from jobs.errors import JobError
from jobs.features.base import Read, Write
from jobs.features.registry import feature_of
from jobs.heartbeat import current_worker
from jobs.models import Attempt
from jobs.steps import COLLECT, DISPATCH, FINALIZE, PREPARE, Step
from media.storage import object_storage

logger = logging.getLogger(__name__)

OUTAGE_PAUSE = timedelta(seconds=5)
"""How long an attempt waits after a store was away."""


def prepare(attempt_ids: Sequence[UUID]) -> None:
    """Check that the inputs are still there and write down what the call will get."""
    worker = current_worker()
    held = lifecycle.claim(step=PREPARE, attempt_ids=attempt_ids, worker=worker)
    done = _each(PREPARE, held, _prepared)
    lifecycle.release(step=PREPARE, worker=worker, values=done)


def _prepared(attempt: Attempt) -> dict[str, Any]:
    payload = feature_of(attempt.job.type).prepare(attempt.job, attempt)
    return {"payload": {name: _unsigned(value) for name, value in payload.items()}}


def _unsigned(value: Any) -> Any:
    if isinstance(value, Read):
        return {"read": {"key": value.key, "name": value.name}}
    if isinstance(value, Write):
        return {"write": {"key": value.key, "content_type": value.content_type}}
    return value


def dispatch(attempt_ids: Sequence[UUID]) -> None:
    """Start the calls and keep their ids; nothing waits for a call."""
    held = lifecycle.claim(step=DISPATCH, attempt_ids=attempt_ids, worker=current_worker())
    _each(DISPATCH, held, _dispatched)


def _dispatched(attempt: Attempt) -> dict[str, Any]:
    feature = feature_of(attempt.job.type)
    payload = signed_payload(attempt)
    queue = feature.gpu_class.queue
    try:
        call_id = backend_of(attempt.backend).spawn(
            Call(attempt.pk, feature.contract, attempt.engine, queue, payload)
        )
    except BackendUnavailable as exc:
        raise EngineError(ErrorCode.GPU_UNAVAILABLE) from exc
    lifecycle.call_started(attempt_id=attempt.pk, call_id=call_id)
    return {}


def signed_payload(attempt: Attempt) -> Payload:
    """The call's payload with freshly signed URLs, checked against the contract."""
    storage = object_storage()

    def signed(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"read"}:
            read = Read(**value["read"])
            return InputFile(url=storage.presigned_get(read.key), name=read.name)
        if isinstance(value, dict) and set(value) == {"write"}:
            write = Write(**value["write"])
            url = storage.presigned_put(write.key, content_type=write.content_type)
            return OutputFile(key=write.key, url=url, content_type=write.content_type)
        return value

    fields = {name: signed(value) for name, value in (attempt.payload or {}).items()}
    contract = feature_of(attempt.job.type).contract
    return contract.payload(
        job_id=attempt.job_id,
        attempt_id=attempt.pk,
        callback_url=settings.GPU_CALLBACK_URL,
        **fields,
    )


def collect(attempt_ids: Sequence[UUID]) -> None:
    """Check the reported results; from this claim on, a cancel comes too late."""
    worker = current_worker()
    held = lifecycle.claim(step=COLLECT, attempt_ids=attempt_ids, worker=worker)
    done = _each(COLLECT, held, _collected)
    lifecycle.release(step=COLLECT, worker=worker, values=done)


def _collected(attempt: Attempt) -> dict[str, Any]:
    feature = feature_of(attempt.job.type)
    outcome = Outcome.model_validate(attempt.outcome)
    result = feature.contract.result.model_validate(outcome.result)
    output = feature.collect(attempt, result)
    output["engine"] = outcome.engine.model_dump() if outcome.engine else None
    return {"result": output}


def finalize(attempt_ids: Sequence[UUID]) -> None:
    """Deliver the results to where they belong, then mark the jobs completed."""
    worker = current_worker()
    held = lifecycle.claim(step=FINALIZE, attempt_ids=attempt_ids, worker=worker)
    done = _each(FINALIZE, held, _delivered)
    lifecycle.complete(attempt_ids=list(done), worker=worker)


def _delivered(attempt: Attempt) -> dict[str, Any]:
    feature_of(attempt.job.type).deliver(attempt.job, attempt.result or {})
    return {}


def _each(
    step: Step, attempts: Sequence[Attempt], work: Callable[[Attempt], dict[str, Any]]
) -> dict[UUID, dict[str, Any]]:
    """The values of those that went well; the others are put back or broken off, each alone."""
    done = {}
    for attempt in attempts:
        try:
            done[attempt.pk] = work(attempt)
        except OUTAGES as exc:
            logger.warning("%s of %s waits: %s", step.name, attempt.pk, type(exc).__name__)
            lifecycle.put_back(step=step, attempt_ids=[attempt.pk], after=OUTAGE_PAUSE, fault=False)
        except Exception as exc:
            if not isinstance(exc, EngineError):
                logger.exception("%s of %s failed", step.name, attempt.pk)
            lifecycle.break_off(
                attempt_id=attempt.pk, error=JobError.from_exception(exc), states=[step.holds]
            )
    return done
