"""The root of our errors, and the errors of inference with their stable codes."""

from dataclasses import dataclass
from enum import StrEnum


class AuteurError(Exception):
    """The root of every error that this project raises itself."""


class ErrorCode(StrEnum):
    """The reason why a job failed. Codes are stable, and shown to clients."""

    GPU_OOM = "GPU_OOM"
    GPU_TIMEOUT = "GPU_TIMEOUT"
    GPU_UNAVAILABLE = "GPU_UNAVAILABLE"
    INPUT_INVALID = "INPUT_INVALID"
    MODEL_ERROR = "MODEL_ERROR"
    STORAGE_ERROR = "STORAGE_ERROR"
    CANCELLED = "CANCELLED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INSUFFICIENT_CREDITS = "INSUFFICIENT_CREDITS"


@dataclass(frozen=True)
class Policy:
    """The consequences of an error code.

    ``message`` may be shown to users, and is used if there is no better one.
    """

    message: str
    retried: bool
    """The orchestrator makes another attempt."""
    retryable: bool
    """The user may try again with a chance of success."""
    infrastructure: bool = False
    """A machine or a store of ours failed, not the work: the error does not count as an attempt."""


POLICIES: dict[ErrorCode, Policy] = {
    ErrorCode.GPU_OOM: Policy("The input needs more memory than we have.", False, False),
    ErrorCode.GPU_TIMEOUT: Policy("The work took longer than its time limit.", False, True),
    ErrorCode.GPU_UNAVAILABLE: Policy("The machine doing the work was lost.", True, True, True),
    ErrorCode.INPUT_INVALID: Policy("The input cannot be processed.", False, False),
    ErrorCode.MODEL_ERROR: Policy("Something went wrong while processing.", False, True),
    ErrorCode.STORAGE_ERROR: Policy("The file storage did not answer.", True, True, True),
    ErrorCode.CANCELLED: Policy("The job was cancelled.", False, True),
    ErrorCode.DEADLINE_EXCEEDED: Policy("The job could not be done in time.", False, True),
    ErrorCode.INSUFFICIENT_CREDITS: Policy("There are not enough credits for it.", False, True),
}


def get_policy(code: str) -> Policy:
    """Return the policy of a stored code.

    An unknown code, stored by a newer version, counts as a model error.
    """
    return POLICIES[ErrorCode(code) if code in POLICIES else ErrorCode.MODEL_ERROR]


class EngineError(AuteurError):
    """A failure of inference with a known reason. ``message`` may be shown to users."""

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        self.code = code
        self.message = message or POLICIES[code].message
        super().__init__(code, self.message)


class KilledError(AuteurError):
    """A process that did the work was killed from outside.

    The kernel kills it when memory runs out, or an operator does. Another attempt may succeed,
    unless the work itself needs that much memory.
    """


class StoppedError(AuteurError):
    """The caller no longer wants the result. Drop the work at once and report nothing."""


class InputRefusedError(AuteurError):
    """An input is refused. ``code`` is stable, and ``detail`` may be shown to users."""

    code = "refused"
    detail = "The file was refused."

    def __init__(self, code: str | None = None, detail: str | None = None) -> None:
        self.code = code or self.code
        self.detail = detail or self.detail
        super().__init__(self.code, self.detail)
