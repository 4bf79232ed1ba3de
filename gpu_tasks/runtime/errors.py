"""The root of our errors, and how inference fails: stable codes, and what engines raise."""

from dataclasses import dataclass
from enum import StrEnum


class AuteurError(Exception):
    """The root of every error that this project raises itself."""


class ErrorCode(StrEnum):
    """Why a job failed; stable, shown to clients."""

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
    """What a code means: ``message`` is fit for a user and used where no better one is known."""

    message: str
    retried: bool
    """The orchestrator makes another attempt by itself."""
    retryable: bool
    """The user may sensibly ask again."""
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


def policy_of(code: str) -> Policy:
    """Return the policy of a stored code; an unknown one, of a newer version, is a model error."""
    return POLICIES[ErrorCode(code) if code in POLICIES else ErrorCode.MODEL_ERROR]


class EngineError(AuteurError):
    """Inference failed for a known reason; ``message`` is fit for a user."""

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        self.code = code
        self.message = message or POLICIES[code].message
        super().__init__(code, self.message)


class KilledError(AuteurError):
    """A process that did the work was killed from outside: by the kernel, which had no memory left,
    or by an operator. Another attempt may succeed, unless the work itself takes that much memory.
    """


class StoppedError(AuteurError):
    """The caller no longer wants the result: drop the work at once, report nothing."""


class InputRefusedError(AuteurError):
    """What was brought is not taken; ``code`` is stable, ``detail`` fit for a user."""

    code = "refused"
    detail = "The file was refused."

    def __init__(self, code: str | None = None, detail: str | None = None) -> None:
        self.code = code or self.code
        self.detail = detail or self.detail
        super().__init__(self.code, self.detail)
