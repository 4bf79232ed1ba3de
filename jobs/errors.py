"""Why a job failed, as a code and a sentence for its user."""

from dataclasses import dataclass

from pydantic import ValidationError

from auteur.api.problems import OUTAGES
from gpu_tasks.runtime.backends.base import BackendUnavailableError
from gpu_tasks.runtime.errors import POLICIES, AuteurError, EngineError, ErrorCode
from media.storage import ObjectMissingError

CALLS_AWAY: tuple[type[Exception], ...] = (BackendUnavailableError, *OUTAGES)
"""What a backend raises when it, or a store that it needs, is away."""


class JobFailedError(AuteurError):
    """Raised on the queue `jobs.failed`; carries the attempt's stored error."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(code, message)  # both, for Celery rebuilds it from them
        self.code = code
        self.message = message


@dataclass(frozen=True)
class JobError:
    """A code and a message fit for a user."""

    code: ErrorCode
    message: str

    @classmethod
    def of(cls, code: ErrorCode) -> "JobError":
        """The code with its own sentence."""
        return cls(code=code, message=POLICIES[code].message)

    @classmethod
    def from_exception(cls, exc: BaseException) -> "JobError":
        """The error for the user; unknown exceptions show nothing of our insides."""
        if isinstance(exc, JobFailedError | EngineError):
            return cls(code=exc.code, message=exc.message)
        if isinstance(exc, ObjectMissingError):
            return cls.of(ErrorCode.STORAGE_ERROR)
        if isinstance(exc, ValidationError):
            return cls(ErrorCode.MODEL_ERROR, "The model's answer could not be understood.")
        return cls.of(ErrorCode.MODEL_ERROR)
