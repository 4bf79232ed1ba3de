"""Calls of the function that does nothing."""

from uuid import uuid4

from gpu_tasks.runtime.engine import contracts
from gpu_tasks.runtime.errors import ErrorCode
from jobs.calls.backends.base import Call

NOBODY = "http://127.0.0.1:9/callback"


def noop(
    *,
    callback_url: str = NOBODY,
    seconds: float = 0.0,
    error: ErrorCode | None = None,
    engine: str = "draft",
) -> Call:
    """Return a call that waits and then succeeds or fails."""
    contract = contracts()["noop"]
    attempt_id = uuid4()
    payload = contract.payload(  # type: ignore[call-arg]
        job_id=uuid4(),
        attempt_id=attempt_id,
        callback_url=callback_url,
        seconds=seconds,
        error=error,
    )
    return Call(attempt_id, contract, engine, contract.gpu.queue, payload)
