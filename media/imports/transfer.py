"""Transfer one file by HTTP from a server that a user named, in synchronous steps.

The event loop runs only during a step: between steps, the caller uses the database and the
storage, which Django forbids inside a running loop.
"""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from auteur import __version__
from auteur.core.net.outbound import AddressPolicy, build_connector
from media.imports import limits
from media.imports.addresses import parse_redirection
from media.imports.errors import FetchFailedError, build_refusal
from media.imports.failures import translate_errors

T = TypeVar("T")

REDIRECTS = (301, 302, 303, 307, 308)
BUSY = (408, 425, 429)
REFUSED = {401: "source_forbidden", 403: "source_forbidden", 404: "source_not_found"} | {
    410: "source_not_found"
}
OVERHEAD_BYTES = 1024**2
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
MAX_VALIDATOR_LENGTH = 500


@dataclass(frozen=True)
class StoredBeginning:
    """The stored beginning of a file, and the version of the file that it belongs to."""

    received_bytes: int
    size_bytes: int
    validator: str

    @property
    def headers(self) -> dict[str, str]:
        """Headers that request the rest of this version, or the whole of another version."""
        return {"Range": f"bytes={self.received_bytes}-", "If-Range": self.validator}


@dataclass(frozen=True)
class Answer:
    """A server's description of the file that it begins to send."""

    url: URL
    """The URL after all redirections."""
    offset: int
    """The position in the file at which the response body begins."""
    size_bytes: int | None
    """The size of the whole file, if known."""
    content_type: str
    filename: str | None
    validator: str
    """The version to resume with later; empty if the transfer cannot be resumed."""


class Transfer:
    """One HTTP transfer: opened, then read. Raises ``InputRefusedError`` and ``FetchFailedError``.

    ``check`` is called regularly, also while no bytes arrive, and can end the transfer by raising.
    ``max_bytes`` bounds the bytes that are read from each connection, including headers.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        max_bytes: int,
        check: Callable[[], None] = lambda: None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._policy, self._on_wait = policy, check
        self._make_connector = lambda: build_connector(
            policy, max_bytes=2 * max_bytes + OVERHEAD_BYTES, resolver=resolver
        )
        self._runner = asyncio.Runner()
        self._response: aiohttp.ClientResponse | None = None

    def __enter__(self) -> Self:
        self._http = self._runner.run(self._open_session())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close_response()
        self._runner.run(self._http.close())
        self._runner.close()

    async def _open_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=self._make_connector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # Each step has its own timeout.
            headers={"User-Agent": f"Auteur/{__version__}", "Accept-Encoding": "identity"},
            auto_decompress=False,
            read_bufsize=limits.READ_BYTES,
            trust_env=False,
        )

    def open(self, url: URL, arrived: StoredBeginning | None = None) -> Answer:
        """Request the file, or the part that has not arrived; follow redirections."""
        headers = arrived.headers if arrived else {}
        current_url = url
        for _ in range(1 + limits.MAX_REDIRECTS):
            response = self._send_request(current_url, headers)
            if response.status not in REDIRECTS:
                break
            current_url = parse_redirection(
                current_url, response.headers.get("Location", ""), self._policy
            )
        else:
            raise build_refusal("too_many_redirects")
        if arrived and response.status in (206, 416) and not _is_continuation(response, arrived):
            return self.open(url)
        _check_status(response, ranged=arrived is not None)
        return _build_answer(response, current_url, arrived)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of the body as they arrive."""
        pace = _Pace()
        while self._response is not None:
            with translate_errors():
                reading = self._response.content.read(limits.READ_BYTES)
                chunk = self._run_with_timeout(reading, limits.IDLE_SECONDS, pace)
            if not chunk:
                return
            pace.add_bytes(len(chunk))
            yield chunk

    def _send_request(self, url: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        self._close_response()
        with translate_errors():
            request = self._http.get(url, headers=headers, allow_redirects=False)
            self._response = self._run_with_timeout(_await_response(request), limits.HEAD_SECONDS)
        return self._response

    def _close_response(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def _run_with_timeout(
        self, coroutine: Coroutine[Any, Any, T], seconds: float, pace: "_Pace | None" = None
    ) -> T:
        """Return the coroutine's result, or raise ``TimeoutError`` after so many seconds."""
        task = self._runner.get_loop().create_task(coroutine)
        began = time.monotonic()
        try:
            while True:
                self._on_wait()
                remaining = began + seconds - time.monotonic()
                self._runner.run(asyncio.wait({task}, timeout=min(limits.CHECK_SECONDS, remaining)))
                if task.done():
                    return task.result()
                if remaining <= 0:
                    raise TimeoutError
        finally:
            if pace is not None:
                pace.add_seconds(time.monotonic() - began)
            task.cancel()


async def _await_response(request: Any) -> aiohttp.ClientResponse:
    # A task needs a coroutine, and aiohttp returns another awaitable.
    response: aiohttp.ClientResponse = await request
    return response


class _Pace:
    """The pace of a server, without the time in which we store its bytes."""

    def __init__(self) -> None:
        self._seconds, self._bytes = 0.0, 0

    def add_seconds(self, seconds: float) -> None:
        self._seconds += seconds

    def add_bytes(self, size_bytes: int) -> None:
        """Count received bytes; raise ``FetchFailedError`` if the pace is too slow."""
        self._bytes += size_bytes
        if self._seconds < limits.PACE_SECONDS:
            return
        if self._bytes < limits.PACE_BYTES:
            raise FetchFailedError("too_slow")
        self._seconds, self._bytes = 0.0, 0


def _is_continuation(response: aiohttp.ClientResponse, arrived: StoredBeginning) -> bool:
    """Return True if the response is exactly the rest of the stored version."""
    match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    expected = (arrived.received_bytes, arrived.size_bytes - 1, arrived.size_bytes)
    if response.status != 206 or match is None or tuple(map(int, match.groups())) != expected:
        return False
    etag = response.headers.get("ETag")
    return etag is None or not arrived.validator.startswith('"') or etag == arrived.validator


def _check_status(response: aiohttp.ClientResponse, *, ranged: bool) -> None:
    """Raise unless the response contains a file."""
    status = response.status
    if status >= 500 or status in BUSY:
        raise FetchFailedError("source_unavailable")
    if status != 200 and not (ranged and status == 206):
        raise build_refusal(REFUSED.get(status, "source_refused"))
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise build_refusal("encoding_refused")


def _build_answer(
    response: aiohttp.ClientResponse, url: URL, arrived: StoredBeginning | None
) -> Answer:
    resumed = arrived if response.status == 206 else None
    disposition = response.content_disposition
    return Answer(
        url=url,
        offset=resumed.received_bytes if resumed else 0,
        size_bytes=resumed.size_bytes if resumed else response.content_length,
        content_type=response.headers.get("Content-Type", ""),
        filename=disposition.filename if disposition else None,
        validator=_find_validator(response.headers),
    )


def _find_validator(headers: Mapping[str, str]) -> str:
    """Return the strong validator (RFC 9110, 8.8); a weak one may stand for several versions."""
    if headers.get("Accept-Ranges", "").lower() == "none":
        return ""
    etag, modified = headers.get("ETag", ""), headers.get("Last-Modified", "")
    # A file modified in the second of the response may change again within that second.
    strong_date = modified if modified != headers.get("Date") else ""
    validator = etag if etag.startswith('"') else strong_date
    return validator if validator.isascii() and len(validator) <= MAX_VALIDATOR_LENGTH else ""
