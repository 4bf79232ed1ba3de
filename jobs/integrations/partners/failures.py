"""Describe to partners why a request has no result."""

from dataclasses import dataclass
from typing import Any

from rest_framework import exceptions

from auteur.core.api.problems import Problem, UnavailableProblem
from credits.ledger import InsufficientCreditsProblem
from gpu_tasks.runtime.errors import ErrorCode, InputRefusedError, get_policy
from jobs.models import Job
from jobs.states import JobStatus
from jobs.submission import PlanRequiredProblem
from media.imports import errors
from media.imports.requests import TooManyImportsProblem
from media.kinds import TooManyUploadsProblem
from media.quota import StorageQuotaExceededProblem

MAX_CODE_LENGTH = 50
MAX_MESSAGE_LENGTH = 500
TRANSIENT = (UnavailableProblem, TooManyImportsProblem, TooManyUploadsProblem)
"""Problems that end by themselves. The request waits, and its partner is not informed."""
PARTNER_PROBLEMS = (InsufficientCreditsProblem, PlanRequiredProblem, StorageQuotaExceededProblem)
"""Problems that the partner can solve in its account, and then send the request again."""
TRANSIENT_REFUSALS = {*errors.OUTAGES, "import_timed_out", "import_failed"}
"""Error codes of imports that may succeed later."""


@dataclass(frozen=True)
class Failure:
    """A reason for a missing result, with a stable code and a sentence for the partner."""

    code: str
    message: str
    is_retryable: bool = False
    balance: int | None = None
    required: int | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """Return the columns of a request that store the failure."""
        return {
            "error_code": self.code[:MAX_CODE_LENGTH],
            "error_message": self.message[:MAX_MESSAGE_LENGTH],
            "is_retryable": self.is_retryable,
            "balance": self.balance,
            "required": self.required,
        }


INTERNAL = Failure("internal", "An internal error occurred. Send the request again.", True)
DELETED = Failure(
    "media_deleted", "The video was deleted from your account. Send the request again.", True
)
TOO_LARGE = Failure(
    "answer_too_large", "The transcript is too long for a message. Read the captions file instead."
)


def is_transient(exc: exceptions.APIException) -> bool:
    """Return True if the problem ends by itself, so that the request should wait."""
    return isinstance(exc, TRANSIENT) or exc.status_code in (429, 503)


def describe_problem(exc: exceptions.APIException) -> Failure:
    """Return the failure of a job that could not be submitted."""
    code, message = _find_first_error(exc)
    extra = exc.extra if isinstance(exc, InsufficientCreditsProblem) else {}
    return Failure(
        code,
        message,
        isinstance(exc, PARTNER_PROBLEMS),
        balance=extra.get("balance"),
        required=extra.get("required"),
    )


def describe_refusal(exc: InputRefusedError | None) -> Failure:
    """Return the failure of a file that was rejected."""
    refusal = exc or InputRefusedError()
    return Failure(refusal.code, refusal.detail, refusal.code in TRANSIENT_REFUSALS)


def describe_job(job: Job) -> Failure:
    """Return the failure of a job that ended without a result. Its credits are refunded."""
    code = job.error_code if job.status == JobStatus.FAILED else ErrorCode.CANCELLED
    policy = get_policy(code or ErrorCode.MODEL_ERROR)
    return Failure(str(code), job.error_message or policy.message, policy.retryable)


def _find_first_error(exc: exceptions.APIException) -> tuple[str, str]:
    """Return the code and sentence of the most specific error."""
    if isinstance(exc, Problem):
        for error in exc.extra.get("errors", ()):
            return str(error["code"]), str(error["detail"])
    detail: Any = exc.detail
    while isinstance(detail, dict | list) and detail:
        detail = next(iter(detail.values() if isinstance(detail, dict) else detail))
    return str(getattr(detail, "code", None) or exc.default_code), str(detail)
