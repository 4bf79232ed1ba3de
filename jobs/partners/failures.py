"""Why there is no result, as its partner hears it."""

from dataclasses import dataclass
from typing import Any

from rest_framework import exceptions

from auteur.api.problems import Problem, UnavailableProblem
from credits.ledger import InsufficientCreditsProblem
from gpu_tasks.runtime.errors import ErrorCode, InputRefusedError, policy_of
from jobs.models import Job
from jobs.states import JobStatus
from jobs.submission import PlanRequiredProblem
from media.imports import errors
from media.imports.requests import TooManyImportsProblem
from media.kinds import TooManyUploadsProblem
from media.quota import StorageQuotaExceededProblem

MAX_CODE_LENGTH = 50
MAX_MESSAGE_LENGTH = 500
PASSING = (UnavailableProblem, TooManyImportsProblem, TooManyUploadsProblem)
"""Problems that end by themselves: the request waits, and nobody hears of them."""
CURABLE = (InsufficientCreditsProblem, PlanRequiredProblem, StorageQuotaExceededProblem)
"""Those after which the partner may do something about its account, and ask again."""
PASSING_REFUSALS = {*errors.OUTAGES, "import_timed_out", "import_failed"}
"""Codes of imports that may succeed another day."""


@dataclass(frozen=True)
class Failure:
    """A stable code, a sentence for the partner, and whether to ask again makes sense."""

    code: str
    message: str
    is_retryable: bool = False
    balance: int | None = None
    required: int | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """Of a request."""
        return {
            "error_code": self.code[:MAX_CODE_LENGTH],
            "error_message": self.message[:MAX_MESSAGE_LENGTH],
            "is_retryable": self.is_retryable,
            "balance": self.balance,
            "required": self.required,
        }


INTERNAL = Failure("internal", "Something went wrong on our side.", True)
DELETED = Failure("media_deleted", "The video was deleted from our account of you.", True)
TOO_LARGE = Failure(
    "answer_too_large", "The transcript is longer than a message may be: read the captions file."
)


def is_passing(exc: exceptions.APIException) -> bool:
    """Whether to wait rather than to give up."""
    return isinstance(exc, PASSING) or exc.status_code in (429, 503)


def of_problem(exc: exceptions.APIException) -> Failure:
    """Why nothing was begun."""
    code, message = _first(exc)
    extra = exc.extra if isinstance(exc, InsufficientCreditsProblem) else {}
    return Failure(
        code,
        message,
        isinstance(exc, CURABLE),
        balance=extra.get("balance"),
        required=extra.get("required"),
    )


def of_refusal(exc: InputRefusedError | None) -> Failure:
    """Why a file was not taken."""
    found = exc or InputRefusedError()
    return Failure(found.code, found.detail, found.code in PASSING_REFUSALS)


def of_job(job: Job) -> Failure:
    """Why an ended job has no result; its credits are back."""
    code = job.error_code if job.status == JobStatus.FAILED else ErrorCode.CANCELLED
    policy = policy_of(code or ErrorCode.MODEL_ERROR)
    return Failure(str(code), job.error_message or policy.message, policy.retryable)


def _first(exc: exceptions.APIException) -> tuple[str, str]:
    """The code and sentence that say most."""
    if isinstance(exc, Problem):
        for error in exc.extra.get("errors", ()):
            return str(error["code"]), str(error["detail"])
    detail: Any = exc.detail
    while isinstance(detail, dict | list) and detail:
        detail = next(iter(detail.values() if isinstance(detail, dict) else detail))
    return str(getattr(detail, "code", None) or exc.default_code), str(detail)
