"""The bytes of one input file, from this machine or from a URL."""

import os
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import requests

from gpu_tasks.runtime.errors import AuteurError

URL_TIMEOUT_SECONDS = (10, 30)
WINDOW_BYTES = 8 * 1024**2
"""Requested by one GET. Reads that follow on use the same response."""
EMPTY = requests.codes.requested_range_not_satisfiable
"""The status when the first bytes of an empty object are requested."""
MAX_READ_BYTES = 1024**2
"""The limit of one read."""


class SourceLostError(AuteurError):
    """The bytes could not be read. It says nothing about the file itself."""


class ByteSource(Protocol):
    """A file whose bytes can be read at any offset."""

    name: str
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Read bytes from an offset, fewer at the end; raises ``SourceLostError``."""
        ...

    def descriptor(self) -> int | None:
        """Return an open file to read instead, or None."""
        ...

    def close(self) -> None:
        """Release the file or connection."""
        ...


def open_source(path_or_url: str | Path) -> ByteSource:
    """Open the file at a path, or an http or https URL; raises ``SourceLostError``."""
    text = str(path_or_url)
    return UrlSource(text) if text.startswith(("https://", "http://")) else FileSource(text)


class FileSource:
    """A file on this machine."""

    def __init__(self, path: str) -> None:
        self.name = Path(path).name
        try:
            self._file = Path(path).open("rb")  # noqa: SIM115 - closed by `close`
        except OSError as exc:
            raise SourceLostError(type(exc).__name__) from exc
        self.size = os.fstat(self._file.fileno()).st_size

    def descriptor(self) -> int:
        """Return the open file."""
        return self._file.fileno()

    def read(self, offset: int, length: int) -> bytes:
        """Read bytes from an offset, fewer at the end."""
        return os.pread(self._file.fileno(), length, offset)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class UrlSource:
    """An object behind a URL, read by ranges."""

    def __init__(self, url: str) -> None:
        self.name = urlsplit(url).path.rpartition("/")[2]
        self._url = url
        self._session = requests.Session()
        self._response: requests.Response | None = None
        self._position = self._end = 0
        self.size = 0
        self._request_window(0)

    def descriptor(self) -> None:
        """Return None: there is no open file."""

    def read(self, offset: int, length: int) -> bytes:
        """Read bytes from an offset, perhaps fewer than ``length``."""
        if offset >= self.size:
            return b""
        if self._response is None or offset != self._position or offset >= self._end:
            self._request_window(offset)
        assert self._response is not None  # noqa: S101 - just opened
        try:
            content = self._response.raw.read(min(length, self._end - offset))
        except Exception as exc:
            raise SourceLostError(type(exc).__name__) from exc
        if not content:
            raise SourceLostError("the answer broke off")
        self._position = offset + len(content)
        return bytes(content)

    def close(self) -> None:
        """Close the connection."""
        if self._response is not None:
            self._response.close()
        self._session.close()

    def _request_window(self, offset: int) -> None:
        if self._response is not None:
            self._response.close()
        headers = {"Range": f"bytes={offset}-{offset + WINDOW_BYTES - 1}"}
        try:
            self._response = self._session.get(
                self._url, headers=headers, stream=True, timeout=URL_TIMEOUT_SECONDS
            )
            if self._response.status_code == EMPTY:
                return
            self._response.raise_for_status()
            self.size = _parse_total_size(self._response)
        except (requests.RequestException, KeyError, ValueError) as exc:
            raise SourceLostError(type(exc).__name__) from exc
        self._position, self._end = offset, min(offset + WINDOW_BYTES, self.size)


def _parse_total_size(response: requests.Response) -> int:
    """Return the object's size from ``Content-Range: bytes 0-99/1234``; raises ``ValueError``."""
    if response.status_code != requests.codes.partial_content:
        raise ValueError("ranges are not served")
    return int(response.headers["Content-Range"].rpartition("/")[2])
