"""One transfer of a file by HTTP, from whom a user named: in steps, the loop standing between them.

Whoever reads calls the database and the storage in between, which no running loop allows.
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
from auteur.outbound import AddressPolicy, connector
from media.imports import limits
from media.imports.addresses import parse_redirection
from media.imports.errors import FetchFailedError, refusal
from media.imports.failures import translated

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
class Arrived:
    """What earlier tries have stored of a file, and which version of it that was."""

    received_bytes: int
    size_bytes: int
    validator: str

    @property
    def headers(self) -> dict[str, str]:
        """That ask for the rest of this version, or for all of another."""
        return {"Range": f"bytes={self.received_bytes}-", "If-Range": self.validator}


@dataclass(frozen=True)
class Answer:
    """What a server says of the file that it begins to send."""

    url: URL
    """The last one, after all redirections."""
    offset: int
    """Where in the file it begins to send."""
    size_bytes: int | None
    """Of the whole file."""
    content_type: str
    filename: str | None
    validator: str
    """By which the rest can be asked for later; empty where it cannot."""


class Transfer:
    """Opened once, then read; raises ``InputRefusedError`` and ``FetchFailedError``.

    ``heard`` is called now and then, also while nothing comes, and may end it by raising. ``most``
    bounds the bytes that are taken of each connection, the heads included.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        most: int,
        heard: Callable[[], None] = lambda: None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._policy, self._heard = policy, heard
        self._make_connector = lambda: connector(
            policy, most=2 * most + OVERHEAD_BYTES, resolver=resolver
        )
        self._runner = asyncio.Runner()
        self._response: aiohttp.ClientResponse | None = None

    def __enter__(self) -> Self:
        self._http = self._runner.run(self._session())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._leave()
        self._runner.run(self._http.close())
        self._runner.close()

    async def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=self._make_connector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # each step has one
            headers={"User-Agent": f"Auteur/{__version__}", "Accept-Encoding": "identity"},
            auto_decompress=False,
            read_bufsize=limits.READ_BYTES,
            trust_env=False,
        )

    def open(self, url: URL, arrived: Arrived | None = None) -> Answer:
        """Ask for the file, or for what has not arrived of it; redirections are followed."""
        headers = arrived.headers if arrived else {}
        last = url
        for _ in range(1 + limits.MAX_REDIRECTS):
            response = self._ask(last, headers)
            if response.status not in REDIRECTS:
                break
            last = parse_redirection(last, response.headers.get("Location", ""), self._policy)
        else:
            raise refusal("too_many_redirects")
        if arrived and response.status in (206, 416) and not _continues(response, arrived):
            return self.open(url)
        _check(response, ranged=arrived is not None)
        return _answer(response, last, arrived)

    def chunks(self) -> Iterator[bytes]:
        """What the server sends, as it comes."""
        pace = _Pace()
        while self._response is not None:
            with translated():
                reading = self._response.content.read(limits.READ_BYTES)
                chunk = self._await(reading, limits.IDLE_SECONDS, pace)
            if not chunk:
                return
            pace.came(len(chunk))
            yield chunk

    def _ask(self, url: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        self._leave()
        with translated():
            asking = self._http.get(url, headers=headers, allow_redirects=False)
            self._response = self._await(_begun(asking), limits.HEAD_SECONDS)
        return self._response

    def _leave(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def _await(
        self, coroutine: Coroutine[Any, Any, T], seconds: float, pace: "_Pace | None" = None
    ) -> T:
        """Its result, within so many seconds."""
        task = self._runner.get_loop().create_task(coroutine)
        began = time.monotonic()
        try:
            while True:
                self._heard()
                left = began + seconds - time.monotonic()
                self._runner.run(asyncio.wait({task}, timeout=min(limits.HEARD_SECONDS, left)))
                if task.done():
                    return task.result()
                if left <= 0:
                    raise TimeoutError
        finally:
            if pace is not None:
                pace.waited(time.monotonic() - began)
            task.cancel()


async def _begun(asking: Any) -> aiohttp.ClientResponse:
    """A coroutine of what is only awaitable."""
    response: aiohttp.ClientResponse = await asking
    return response


class _Pace:
    """How fast a server sends: time in which we store is not its fault."""

    def __init__(self) -> None:
        self._seconds, self._bytes = 0.0, 0

    def waited(self, seconds: float) -> None:
        self._seconds += seconds

    def came(self, size_bytes: int) -> None:
        """Raises ``FetchFailedError`` where it was too little for the time."""
        self._bytes += size_bytes
        if self._seconds < limits.PACE_SECONDS:
            return
        if self._bytes < limits.PACE_BYTES:
            raise FetchFailedError("too_slow")
        self._seconds, self._bytes = 0.0, 0


def _continues(response: aiohttp.ClientResponse, arrived: Arrived) -> bool:
    """Whether it is the rest of what has arrived."""
    found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    wanted = (arrived.received_bytes, arrived.size_bytes - 1, arrived.size_bytes)
    if response.status != 206 or found is None or tuple(map(int, found.groups())) != wanted:
        return False
    etag = response.headers.get("ETag")
    return etag is None or not arrived.validator.startswith('"') or etag == arrived.validator


def _check(response: aiohttp.ClientResponse, *, ranged: bool) -> None:
    """Raise unless a file begins."""
    status = response.status
    if status >= 500 or status in BUSY:
        raise FetchFailedError("source_unavailable")
    if status != 200 and not (ranged and status == 206):
        raise refusal(REFUSED.get(status, "source_refused"))
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise refusal("encoding_refused")


def _answer(response: aiohttp.ClientResponse, url: URL, arrived: Arrived | None) -> Answer:
    continued = arrived if response.status == 206 else None
    disposition = response.content_disposition
    return Answer(
        url=url,
        offset=continued.received_bytes if continued else 0,
        size_bytes=continued.size_bytes if continued else response.content_length,
        content_type=response.headers.get("Content-Type", ""),
        filename=disposition.filename if disposition else None,
        validator=_validator(response.headers),
    )


def _validator(headers: Mapping[str, str]) -> str:
    """The strong one (RFC 9110, 8.8): a weak one may stand for several files."""
    if headers.get("Accept-Ranges", "").lower() == "none":
        return ""
    etag, modified = headers.get("ETag", ""), headers.get("Last-Modified", "")
    # What was changed in the very second of the answer may be changed in it once more.
    dated = modified if modified != headers.get("Date") else ""
    found = etag if etag.startswith('"') else dated
    return found if found.isascii() and len(found) <= MAX_VALIDATOR_LENGTH else ""
