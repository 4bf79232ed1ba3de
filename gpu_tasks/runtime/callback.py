"""Define both sides of the signed callbacks that report progress and outcome of a call.

The signature is HMAC-SHA256 over ``timestamp + "." + body`` (the scheme of Stripe's webhooks), so a
body cannot be altered, and an old one cannot be replayed after the window. Each attempt has its own
key, derived from our secret. No container holds the secret, so a call can sign only for itself.
"""

import hashlib
import hmac
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal
from uuid import UUID

import requests
from pydantic import Field, SecretStr

from gpu_tasks.runtime.contract import Outcome, OutputFile, Payload, PlainModel
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.runtime.stages import Stage

logger = logging.getLogger(__name__)

ATTEMPT_HEADER = "X-Auteur-Attempt"
"""The attempt whose key has signed. The signed body names the same attempt."""
SIGNATURE_HEADER = "X-Auteur-Signature"
TIMESTAMP_HEADER = "X-Auteur-Timestamp"
REPLAY_WINDOW_SECONDS = 300
PROGRESS_INTERVAL_SECONDS = 2.05
"""A little longer than the interval of stored reports (`report_progress`), for varying latency."""
OUTCOME_TRIES = 3
TIMEOUT_SECONDS = 10
OUTPUTS_PATH = "/outputs"
"""The path below the callback URL at which a call requests upload URLs for its outputs."""
UNWANTED_STATUSES = frozenset(
    {
        requests.codes.conflict,  # another attempt, or none, is current
        requests.codes.not_found,  # the attempt is unknown: a backup was restored, or it was erased
        requests.codes.gone,
    }
)
"""The statuses that answer a report of a call that is no longer wanted."""
REFUSED = (requests.codes.request_entity_too_large, requests.codes.unprocessable_entity)
REFUSED_OUTPUT = "The result is larger than we keep, or not what was promised."
_KEY_PURPOSE = b"auteur: what a call tells of its attempt, 1:"


Kind = Literal["progress", "outcome"]


class Callback(PlainModel):
    """One report; only the last one has an ``outcome``."""

    kind: Kind
    job_id: UUID
    attempt_id: UUID
    call_id: str = Field(max_length=255)
    progress: float = Field(default=0.0, ge=0, le=1)
    stage: Stage | None = Field(default=None, exclude_if=lambda stage: stage is None)
    outcome: Outcome | None = None


class OutputRequest(PlainModel):
    """A request for an upload URL for an output that a call has written."""

    kind: Literal["output"] = "output"
    job_id: UUID
    attempt_id: UUID
    call_id: str = Field(max_length=255)
    key: str = Field(max_length=1024, description="Which of the payload's outputs.")
    content_type: str = Field(max_length=255)
    size_bytes: int = Field(ge=0)


class OutputGrant(PlainModel):
    """A signed URL to which the output may be PUT once, with exactly these headers."""

    url: str
    headers: dict[str, str]


def derive_attempt_key(*, secret: str, attempt_id: UUID) -> SecretStr:
    """Return the key with which an attempt's call signs.

    Neither ``secret`` nor another attempt's key can be computed from it.
    """
    mac = hmac.new(secret.encode(), _KEY_PURPOSE + attempt_id.bytes, hashlib.sha256)
    return SecretStr(mac.hexdigest())


def compute_signature(*, key: SecretStr, timestamp: str, body: bytes) -> str:
    """Return the hexadecimal MAC of a body sent at ``timestamp`` (Unix seconds)."""
    message = timestamp.encode() + b"." + body
    return hmac.new(key.get_secret_value().encode(), message, hashlib.sha256).hexdigest()


def build_signed_headers(*, key: SecretStr, attempt_id: UUID, body: bytes) -> dict[str, str]:
    """Return the headers of a body that an attempt's call sends now."""
    timestamp = str(int(time.time()))
    return {
        "Content-Type": "application/json",
        ATTEMPT_HEADER: str(attempt_id),
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: compute_signature(key=key, timestamp=timestamp, body=body),
    }


def is_authentic(
    *, key: SecretStr, timestamp: str, body: bytes, signature: str, now: float
) -> bool:
    """Return whether the signature is the key's, and its time is within the replay window."""
    expected = compute_signature(key=key, timestamp=timestamp, body=body)
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        return False
    return timestamp.isdecimal() and abs(now - int(timestamp)) <= REPLAY_WINDOW_SECONDS


class Reporter:
    """A reporter of one call to Auteur; `UNWANTED_STATUSES` mean that the attempt was given up.

    Reports are sent by a thread of their own, so that a GPU does not wait for a slow API.
    """

    def __init__(self, *, payload: Payload, call_id: str, key: SecretStr) -> None:
        self._payload = payload
        self._call_id = call_id
        self._key = key
        self._session = requests.Session()
        self._sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reporter")
        self._report: Future[None] | None = None
        self._next_progress_at = 0.0

    def progress(self, share: float, stage: Stage | None = None) -> None:
        """Report the progress, at most every two seconds; a lost report is harmless.

        The first report is waited for, because a call that is no longer wanted need not start.
        ``StoppedError`` from a later report is raised by the next call of this method.
        """
        is_first = self._report is None
        if self._report is not None and self._report.done():
            self._report.result()
        elif not is_first:
            return
        if time.monotonic() < self._next_progress_at:
            return
        self._next_progress_at = time.monotonic() + PROGRESS_INTERVAL_SECONDS
        self._report = self._sender.submit(self._send_progress, min(1.0, max(0.0, share)), stage)
        if is_first:
            self._report.result()

    def outcome(self, outcome: Outcome) -> None:
        """Report the outcome, after all progress; if that fails, the poller fetches it."""
        self._sender.submit(self._send_outcome, outcome).result()

    def request_grant(self, file: OutputFile, size_bytes: int) -> OutputGrant:
        """Request an upload URL for an output of this size; `transfers.store` retries it.

        Raises ``StoppedError`` if the attempt is no longer wanted, ``EngineError`` if the output is
        refused, and ``requests.RequestException`` if there is no answer.
        """
        request = OutputRequest(
            job_id=self._payload.job_id,
            attempt_id=self._payload.attempt_id,
            call_id=self._call_id,
            key=file.key,
            content_type=file.content_type,
            size_bytes=size_bytes,
        )
        url = self._payload.callback_url.rstrip("/") + OUTPUTS_PATH
        response = self._sender.submit(self._send, url, request).result()
        if response.status_code in REFUSED:
            raise EngineError(ErrorCode.MODEL_ERROR, REFUSED_OUTPUT)
        response.raise_for_status()
        return OutputGrant.model_validate_json(response.content)

    def _send_progress(self, share: float, stage: Stage | None) -> None:
        try:
            self._send_report("progress", progress=share, stage=stage)
        except requests.RequestException as exc:
            logger.warning("progress not reported: %s", type(exc).__name__)

    def _send_outcome(self, outcome: Outcome) -> None:
        for tries in range(OUTCOME_TRIES):
            try:
                return self._send_report("outcome", progress=1.0, outcome=outcome)
            except requests.RequestException as exc:
                logger.warning("outcome not reported yet: %s", type(exc).__name__)
                time.sleep(0.2 * 2**tries)
        return None

    def _send_report(self, kind: Kind, **fields: Any) -> None:
        body = Callback(
            kind=kind,
            job_id=self._payload.job_id,
            attempt_id=self._payload.attempt_id,
            call_id=self._call_id,
            **fields,
        )
        self._send(self._payload.callback_url, body).raise_for_status()

    def _send(self, url: str, message: PlainModel) -> requests.Response:
        body = message.model_dump_json().encode()
        headers = build_signed_headers(
            key=self._key, attempt_id=self._payload.attempt_id, body=body
        )
        response = self._session.post(url, data=body, headers=headers, timeout=TIMEOUT_SECONDS)
        if response.status_code in UNWANTED_STATUSES:
            raise StoppedError
        return response
