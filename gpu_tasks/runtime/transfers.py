"""Move files between a call and object storage, and wait out outages of the storage.

A call waits because its work is dear: a result is stored again, never computed again. Each wait is
bounded in time, and reports progress meanwhile (docs/decisions/0004).
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
"""To connect, and between two reads."""
OUTAGE_SECONDS = 180.0
"""How long a transfer waits for a storage that fails, since it last came further. A result may wait
longer: as long as its call has taken so far."""
FIRST_PAUSE_SECONDS = 0.5
"""Before the second try; doubled for each further one."""
MAX_PAUSE_SECONDS = 10.0
JITTER = 0.5
"""Each pause is shorter by a random share of up to this, so that calls do not return at once."""
MAX_RETRY_AFTER_SECONDS = 30.0
"""Longest that a storage's ``Retry-After`` is followed."""
PROGRESS_SECONDS = 0.5
"""Between reports of progress during a pause; they also notice that the call is stopped."""
MAX_URL_RENEWALS = 2
"""How often an upload that is forbidden asks for another URL: its own may have expired."""
RETRIED_STATUSES = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,  # two conditional writes of one object at once, as S3 puts it
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Besides those from 500 on."""
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_outage(exc: BaseException) -> bool:
    """Return whether the same transfer may succeed later: storage away, busy, or a full disk."""
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
        """``ends_at`` (monotonic) bounds the wait whatever happens."""
        self._seconds = seconds
        self._ends_at = ends_at
        self._report_progress = report_progress
        self.restart()

    def restart(self) -> None:
        """Count anew: the transfer has come further."""
        self._failures = 0
        self._gives_up_at: float | None = None

    def wait(self, exc: Exception) -> None:
        """Pause before the next try; raise ``exc`` once the time is up.

        Raises what reporting progress raises: ``StoppedError`` ends the wait at once.
        """
        now = time.monotonic()
        if self._gives_up_at is None:
            self._gives_up_at = min(now + self._seconds, self._ends_at)
        pause = min(FIRST_PAUSE_SECONDS * 2**self._failures, MAX_PAUSE_SECONDS)
        pause = max(pause * (1 - JITTER * random.random()), retry_after(exc))  # noqa: S311
        self._failures += 1
        if now + pause > self._gives_up_at:
            raise exc
        # Its text holds the signed URL.
        logger.warning("storage fails (%s), next try in %.1f s", _describe(exc), pause)
        while (remaining := now + pause - time.monotonic()) > 0:
            self._report_progress()
            time.sleep(min(PROGRESS_SECONDS, remaining))


def retry_after(exc: Exception) -> float:
    """Return the seconds that an answer asks to wait, between 0 and `MAX_RETRY_AFTER_SECONDS`."""
    response = exc.response if isinstance(exc, requests.RequestException) else None
    value = response.headers.get("Retry-After", "").strip() if response is not None else ""
    if value.isdecimal():
        # Compared by length first: a number may have any number of digits.
        seconds = float(value) if len(value) < len("1000000000") else MAX_RETRY_AFTER_SECONDS
    else:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            seconds = 0.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _describe(exc: Exception) -> str:
    if isinstance(exc, requests.RequestException) and exc.response is not None:
        return f"status {exc.response.status_code}"
    if isinstance(exc, OSError) and exc.errno in NO_SPACE:
        return errno.errorcode[exc.errno]
    return type(exc).__name__


def fetch(
    url: str, target: Path, *, patience: Patience, report_progress: Callable[[], None]
) -> None:
    """Download a file; after a failure go on where it broke off, or begin anew.

    Raises ``requests.RequestException``, or ``OSError`` of a full disk.
    """
    download = _Download(url, target, report_progress)
    furthest = 0
    while True:
        try:
            return download.run()
        except (requests.RequestException, OSError) as exc:
            if not is_outage(exc):
                raise
            size = target.stat().st_size if target.exists() else 0
            if size > furthest:
                furthest = size
                patience.restart()
            patience.wait(exc)


class _Download:
    def __init__(self, url: str, target: Path, report_progress: Callable[[], None]) -> None:
        self._url = url
        self._target = target
        self._report_progress = report_progress
        self._etag = ""
        """Of the version that the target holds the beginning of; empty where it is unknown."""

    def run(self) -> None:
        offset = self._target.stat().st_size if self._etag else 0
        headers = {"Range": f"bytes={offset}-", "If-Match": self._etag} if offset else {}
        with requests.get(
            self._url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS
        ) as response:
            if offset and not self._continues(response, offset):
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
    def _continues(response: requests.Response, offset: int) -> bool:
        """Return False for an answer after which the download begins anew."""
        if response.ok:
            return response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
        # The file is another version by now, or has nothing after the offset.
        return response.status_code not in {
            HTTPStatus.PRECONDITION_FAILED,
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        }


def store(
    path: Path, *, patience: Patience, request_grant: Callable[[], OutputGrant], size_bytes: int
) -> None:
    """Upload a file; after a failure do so again, each time by a URL signed anew.

    Raises what ``request_grant`` raises, and ``requests.RequestException``.
    """
    renewals = MAX_URL_RENEWALS
    while True:
        try:
            return _put(path, request_grant(), size_bytes)
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


def _put(path: Path, grant: OutputGrant, size_bytes: int) -> None:
    headers = {**grant.headers, "Content-Length": str(size_bytes)}
    with path.open("rb") as content:
        response = requests.put(grant.url, data=content, headers=headers, timeout=TIMEOUT_SECONDS)
    # An object can be written once. The one that exists is this attempt's own, of which an answer
    # was lost, or a segment that another render of the same timeline has stored meanwhile.
    if response.status_code != HTTPStatus.PRECONDITION_FAILED:
        response.raise_for_status()
