"""Describe why a job failed, as a code and a sentence for its user."""

from dataclasses import dataclass

from pydantic import ValidationError

from auteur.core.api.problems import OUTAGES
from gpu_tasks.runtime.errors import POLICIES, AuteurError, EngineError, ErrorCode
from jobs.calls.backends.base import BackendUnavailableError
from media.storage import ObjectMissingError

CALLS_AWAY: tuple[type[Exception], ...] = (BackendUnavailableError, *OUTAGES)
"""The errors of a backend if it, or a store that it needs, does not answer."""


class JobFailedError(AuteurError):
    """The error of a given-up attempt, raised on the queue `jobs.failed`."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(code, message)  # Celery rebuilds the error from both.
        self.code = code
        self.message = message


@dataclass(frozen=True)
class JobError:
    """A code and a message fit for a user."""

    code: ErrorCode
    message: str

    @classmethod
    def of(cls, code: ErrorCode) -> "JobError":
        """Return the code with its default sentence."""
        return cls(code=code, message=POLICIES[code].message)

    @classmethod
    def from_exception(cls, exc: BaseException) -> "JobError":
        """Return the error for the user; an unknown exception reveals no internals."""
        if isinstance(exc, JobFailedError | EngineError):
            return cls(code=exc.code, message=exc.message)
        if isinstance(exc, ObjectMissingError):
            return cls.of(ErrorCode.STORAGE_ERROR)
        if isinstance(exc, ValidationError):
            return cls(ErrorCode.MODEL_ERROR, "The model's answer could not be understood.")
        return cls.of(ErrorCode.MODEL_ERROR)
