"""The signed callback by which a running function tells progress and end, both sides of it.

The signature is HMAC-SHA256 over ``timestamp + "." + body`` (the scheme of Stripe's webhooks), so
a body cannot be altered and an old one cannot be replayed outside the window.
"""

import hashlib
import hmac
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal
from uuid import UUID

import requests
from pydantic import Field

from gpu_tasks.contract import Outcome, Payload, Wire
from gpu_tasks.errors import Stopped

logger = logging.getLogger(__name__)

SIGNATURE_HEADER = "X-Auteur-Signature"
TIMESTAMP_HEADER = "X-Auteur-Timestamp"
REPLAY_WINDOW_SECONDS = 300
PROGRESS_INTERVAL_SECONDS = 0.5
OUTCOME_TRIES = 3
TIMEOUT_SECONDS = 10


Kind = Literal["progress", "outcome"]


class Callback(Wire):
    """One report; ``outcome`` comes with the end only."""

    kind: Kind
    job_id: UUID
    attempt_id: UUID
    call_id: str = Field(max_length=255)
    progress: float = Field(default=0.0, ge=0, le=1)
    outcome: Outcome | None = None


def signature(*, secret: str, timestamp: str, body: bytes) -> str:
    """The hexadecimal MAC of a body sent at ``timestamp`` (Unix seconds)."""
    return hmac.new(
        secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256
    ).hexdigest()  # fmt: skip


def is_authentic(*, secret: str, timestamp: str, body: bytes, given: str, now: float) -> bool:
    """Whether the signature is ours and not older (or newer) than the replay window."""
    expected = signature(secret=secret, timestamp=timestamp, body=body)
    if not hmac.compare_digest(expected.encode(), given.encode()):
        return False
    return timestamp.isdecimal() and abs(now - int(timestamp)) <= REPLAY_WINDOW_SECONDS


class Reporter:
    """Tells Auteur about one call; a 409 means that the attempt is no longer wanted.

    A thread of its own does the telling: a GPU does not wait for an API that is far away, or hangs.
    """

    def __init__(self, *, payload: Payload, call_id: str, secret: str) -> None:
        self._payload = payload
        self._call_id = call_id
        self._secret = secret
        self._session = requests.Session()
        self._sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reporter")
        self._told: Future[None] | None = None
        self._next_progress_at = 0.0

    def progress(self, share: float) -> None:
        """Tell the share done, at most twice a second; a lost report harms nothing.

        The first report is waited for: who is not wanted any more need not begin. ``Stopped`` from
        a later one is raised by the call after it.
        """
        first = self._told is None
        if self._told is not None and self._told.done():
            self._told.result()
        elif not first:
            return
        if time.monotonic() < self._next_progress_at:
            return
        self._next_progress_at = time.monotonic() + PROGRESS_INTERVAL_SECONDS
        self._told = self._sender.submit(self._tell_progress, min(1.0, max(0.0, share)))
        if first:
            self._told.result()

    def outcome(self, outcome: Outcome) -> None:
        """Tell the end, after all progress; if nobody answers, the poller will ask for it."""
        self._sender.submit(self._tell_outcome, outcome).result()

    def _tell_progress(self, share: float) -> None:
        try:
            self._post("progress", progress=share)
        except requests.RequestException as exc:
            logger.warning("progress not reported: %s", type(exc).__name__)

    def _tell_outcome(self, outcome: Outcome) -> None:
        for wait in range(OUTCOME_TRIES):
            try:
                return self._post("outcome", progress=1.0, outcome=outcome)
            except requests.RequestException as exc:
                logger.warning("outcome not reported yet: %s", type(exc).__name__)
                time.sleep(0.2 * 2**wait)
        return None

    def _post(self, kind: Kind, progress: float, outcome: Outcome | None = None) -> None:
        body = Callback(
            kind=kind,
            job_id=self._payload.job_id,
            attempt_id=self._payload.attempt_id,
            call_id=self._call_id,
            progress=progress,
            outcome=outcome,
        )
        raw = body.model_dump_json().encode()
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: signature(secret=self._secret, timestamp=timestamp, body=raw),
        }
        response = self._session.post(
            self._payload.callback_url, data=raw, headers=headers, timeout=TIMEOUT_SECONDS
        )
        if response.status_code == requests.codes.conflict:
            raise Stopped
        response.raise_for_status()
