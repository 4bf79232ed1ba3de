"""Describe why a job failed, as a code and a sentence for its user."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from auteur.core.api.problems import OUTAGES
from gpu_tasks.runtime.errors import POLICIES, AuteurError, EngineError, ErrorCode
from jobs.calls.backends.base import BackendUnavailableError
from media.storage import ObjectMissingError

CALLS_AWAY: tuple[type[Exception], ...] = (BackendUnavailableError, *OUTAGES)
"""The errors of a backend if it, or a store that it needs, does not answer."""


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
        if isinstance(exc, EngineError):
            return cls(code=exc.code, message=exc.message)
        if isinstance(exc, ObjectMissingError):
            return cls.of(ErrorCode.STORAGE_ERROR)
        if isinstance(exc, ValidationError):
            return cls(ErrorCode.MODEL_ERROR, "The model's answer could not be understood.")
        return cls.of(ErrorCode.MODEL_ERROR)


class AttemptsFailedError(AuteurError):
    """Some attempts of a message failed in a step, and are not tried again."""

    def __init__(self, errors: Mapping[UUID, JobError]) -> None:
        super().__init__(errors)  # Celery pickles the error and builds it again from this.
        self.errors = errors
