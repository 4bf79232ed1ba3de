"""Define the exceptions: problems that the API returns, failed jobs, and no response.

No exception contains a token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from auteur_client.api.job_kinds import Job

Json = dict[str, Any]

REQUEST_ID = "X-Request-ID"


class AuteurError(Exception):
    """The root of all errors of this package."""


class UnreachableError(AuteurError):
    """No response came, after all retries."""


class ProblemError(AuteurError):
    """The API refused a request: `code` is for programs, `detail` for people."""

    def __init__(self, status: int, document: Mapping[str, Any], request_id: str = "") -> None:
        self.status = status
        self.document = dict(document)
        self.code = str(document.get("code", ""))
        self.detail = str(document.get("detail") or _phrase(status))
        self.errors: Sequence[Mapping[str, str]] = document.get("errors") or ()
        self.request_id = request_id
        super().__init__(f"{status} {self.code}: {format_reason(self.detail, self.errors)}")


class NotSignedInError(ProblemError):
    """The token is missing, or it is not valid any more."""


class InsufficientCreditsError(ProblemError):
    """The job costs more than the balance."""

    @property
    def required(self) -> int:
        """The price of the job in credits."""
        return int(self.document["required"])

    @property
    def balance(self) -> int:
        """The balance in credits."""
        return int(self.document["balance"])


class StaleEditError(ProblemError):
    """The timeline has changed since the version for which an edit was made."""

    def __init__(self, status: int, document: Mapping[str, Any], request_id: str = "") -> None:
        super().__init__(status, document, request_id)
        self.current: int = document["version"]
        """The current version."""
        self.version: int | None = None
        """The version for which the edit was made."""


class UploadRejectedError(ProblemError):
    """The check rejected the file; `reason` says why."""

    @property
    def reason(self) -> str:
        """The code of the reason, such as `undecodable`."""
        return str(self.document.get("reason", ""))


class JobFailedError(AuteurError):
    """A job has failed or was cancelled."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.code = str(job.error.code) if job.error else ""
        reason = f": {job.error.code}: {job.error.message}" if job.error else ""
        super().__init__(f"job {job.id} is {job.status}{reason}")


BY_CODE: dict[str, type[ProblemError]] = {
    "insufficient_credits": InsufficientCreditsError,
    "stale_edl": StaleEditError,
    "upload_rejected": UploadRejectedError,
}


def build_problem(response: httpx.Response) -> ProblemError:
    """Build the error for an error response."""
    try:
        document = json.loads(response.content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {}
    kind = BY_CODE.get(str(document.get("code")), ProblemError)
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        kind = NotSignedInError
    return kind(response.status_code, document, response.headers.get(REQUEST_ID, ""))


def format_reason(detail: str, errors: Sequence[Mapping[str, str]]) -> str:
    """Return the detail, followed by the errors of fields that it does not already contain."""
    texts = (f"{error.get('field')}: {error.get('detail')}" for error in errors)
    fields = "; ".join(text for text in texts if text not in detail)
    return f"{detail} ({fields})" if fields else detail


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "The request was refused"
