"""Move files between a call and object storage, and wait while the storage does not answer.

A call waits because its work is expensive: a result is stored again, never computed again. Each
wait is bounded in time and reports progress meanwhile (docs/decisions/0004).
"""

import errno
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path

import requests

from gpu_tasks.runtime.callback import OutputGrant

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1024 * 1024
TIMEOUT_SECONDS = (10, 60)
"""Timeouts for the connection, and between two reads."""
OUTAGE_SECONDS = 180.0
"""The longest wait for a failing storage, since a transfer's last progress. A result may wait
longer: as long as its call has taken so far."""
FIRST_PAUSE_SECONDS = 0.5
"""Pause before the second try; it doubles with every try."""
MAX_PAUSE_SECONDS = 10.0
JITTER = 0.5
"""Each pause is shortened by a random share up to this, so that calls do not retry together."""
MAX_RETRY_AFTER_SECONDS = 30.0
"""The longest ``Retry-After`` of a storage that is respected."""
PROGRESS_SECONDS = 0.5
"""Interval of progress reports during a pause. They also notice that the call is stopped."""
MAX_URL_RENEWALS = 2
"""The limit of new URLs for an upload that is forbidden, because its own may have expired."""
RETRIED_STATUSES = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,  # S3: two concurrent conditional writes of one object
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Statuses that are retried, besides those from 500 on."""
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_outage(exc: BaseException) -> bool:
    """Return whether the same transfer may succeed later.

    That is so when the storage is unreachable or busy, or a disk is full.
    """
    if isinstance(exc, requests.RequestException):
        if exc.response is None:
            return not isinstance(exc, ValueError)  # an invalid URL stays invalid
        status = exc.response.status_code
        return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in RETRIED_STATUSES
    return isinstance(exc, OSError) and exc.errno in NO_SPACE


class Patience:
    """The time that one transfer may still wait for a storage that fails."""

    def __init__(
        self, *, seconds: float, ends_at: float, report_progress: Callable[[], None]
    ) -> None:
        """Wait at most ``seconds`` without progress, and never beyond ``ends_at`` (monotonic)."""
        self._seconds = seconds
        self._ends_at = ends_at
        self._report_progress = report_progress
        self.restart()

    def restart(self) -> None:
        """Restart the time, because the transfer has progressed."""
        self._failures = 0
        self._deadline: float | None = None

    def wait(self, exc: Exception) -> None:
        """Pause before the next try; raise ``exc`` once the time is up.

        Raises what reporting progress raises: ``StoppedError`` ends the wait at once.
        """
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = min(now + self._seconds, self._ends_at)
        pause = min(FIRST_PAUSE_SECONDS * 2**self._failures, MAX_PAUSE_SECONDS)
        pause = max(pause * (1 - JITTER * random.random()), get_retry_after(exc))  # noqa: S311
        self._failures += 1
        if now + pause > self._deadline:
            raise exc
        # The text of the error holds the signed URL.
        logger.warning("storage fails (%s), next try in %.1f s", _describe_error(exc), pause)
        while (remaining := now + pause - time.monotonic()) > 0:
            self._report_progress()
            time.sleep(min(PROGRESS_SECONDS, remaining))


def get_retry_after(exc: Exception) -> float:
    """Return the seconds of an answer's ``Retry-After``, at most `MAX_RETRY_AFTER_SECONDS`."""
    response = exc.response if isinstance(exc, requests.RequestException) else None
    value = response.headers.get("Retry-After", "").strip() if response is not None else ""
    if value.isdecimal():
        # The length is compared first, because a number may have any number of digits.
        seconds = float(value) if len(value) < len("1000000000") else MAX_RETRY_AFTER_SECONDS
    else:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            seconds = 0.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _describe_error(exc: Exception) -> str:
    if isinstance(exc, requests.RequestException) and exc.response is not None:
        return f"status {exc.response.status_code}"
    if isinstance(exc, OSError) and exc.errno in NO_SPACE:
        return errno.errorcode[exc.errno]
    return type(exc).__name__


def fetch(
    url: str, target: Path, *, patience: Patience, report_progress: Callable[[], None]
) -> None:
    """Download a file; after a failure, resume it or start anew.

    Raises ``requests.RequestException``, or ``OSError`` if the disk is full.
    """
    download = _Download(url, target, report_progress)
    largest_size = 0
    while True:
        try:
            return download.run()
        except (requests.RequestException, OSError) as exc:
            if not is_outage(exc):
                raise
            size = target.stat().st_size if target.exists() else 0
            if size > largest_size:
                largest_size = size
                patience.restart()
            patience.wait(exc)


class _Download:
    def __init__(self, url: str, target: Path, report_progress: Callable[[], None]) -> None:
        self._url = url
        self._target = target
        self._report_progress = report_progress
        self._etag = ""
        """The version of the part that the target holds; empty if it is unknown."""

    def run(self) -> None:
        offset = self._target.stat().st_size if self._etag else 0
        headers = {"Range": f"bytes={offset}-", "If-Match": self._etag} if offset else {}
        with requests.get(
            self._url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS
        ) as response:
            if offset and not self._is_continuation(response, offset):
                self._etag = ""
                self.run()
                return
            response.raise_for_status()
            etag = response.headers.get("ETag", "")
            self._etag = "" if etag.startswith("W/") else etag
            with self._target.open("ab" if offset else "wb") as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    self._report_progress()

    @staticmethod
    def _is_continuation(response: requests.Response, offset: int) -> bool:
        """Return False for an answer after which the download starts anew."""
        if response.ok:
            return response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
        # The file has changed, or has nothing after the offset.
        return response.status_code not in {
            HTTPStatus.PRECONDITION_FAILED,
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        }


def store(
    path: Path, *, patience: Patience, request_grant: Callable[[], OutputGrant], size_bytes: int
) -> None:
    """Upload a file; after a failure retry it, each time with a newly signed URL.

    Raises what ``request_grant`` raises, and ``requests.RequestException``.
    """
    renewals = MAX_URL_RENEWALS
    while True:
        try:
            return _put_file(path, request_grant(), size_bytes)
        except requests.RequestException as exc:
            is_forbidden = exc.response is not None and exc.response.status_code in {
                HTTPStatus.UNAUTHORIZED,
                HTTPStatus.FORBIDDEN,
            }
            if is_forbidden and renewals:
                renewals -= 1
            elif not is_outage(exc):
                raise
            patience.wait(exc)


def _put_file(path: Path, grant: OutputGrant, size_bytes: int) -> None:
    headers = {**grant.headers, "Content-Length": str(size_bytes)}
    with path.open("rb") as content:
        response = requests.put(grant.url, data=content, headers=headers, timeout=TIMEOUT_SECONDS)
    # An object can be written once. The existing one is this attempt's own, whose answer was lost,
    # or a segment that another render of the same timeline has stored in the meantime.
    if response.status_code != HTTPStatus.PRECONDITION_FAILED:
        response.raise_for_status()
