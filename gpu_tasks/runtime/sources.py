"""The bytes of one input, for a process that can reach them by itself or not."""

import os
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import requests

from gpu_tasks.runtime.errors import AuteurError

URL_TIMEOUT_SECONDS = (10, 30)
WINDOW_BYTES = 8 * 1024**2
"""Asked for in one GET; what follows on is read from the same response."""
EMPTY = requests.codes.requested_range_not_satisfiable
"""To whoever asks an empty object for its first bytes."""
MAX_READ_BYTES = 1024**2
"""Of one read."""


class SourceLostError(AuteurError):
    """The bytes could not be read: it says nothing about the file."""


class ByteSource(Protocol):
    """Bytes at offsets."""

    name: str
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Those from an offset on, fewer at the end; raises ``SourceLostError``."""
        ...

    def descriptor(self) -> int | None:
        """An open file to be read instead, if there is one."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def source_of(path_or_url: str | Path) -> ByteSource:
    """The file at a path, or what an http or https URL answers; raises ``SourceLostError``."""
    text = str(path_or_url)
    return UrlSource(text) if text.startswith(("https://", "http://")) else FileSource(text)


class FileSource:
    """A file of this machine."""

    def __init__(self, path: str) -> None:
        self.name = Path(path).name
        try:
            self._file = Path(path).open("rb")  # noqa: SIM115 - closed by `close`
        except OSError as exc:
            raise SourceLostError(type(exc).__name__) from exc
        self.size = os.fstat(self._file.fileno()).st_size

    def descriptor(self) -> int:
        """The open file."""
        return self._file.fileno()

    def read(self, offset: int, length: int) -> bytes:
        """Those from an offset on, fewer at the end."""
        return os.pread(self._file.fileno(), length, offset)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class UrlSource:
    """What a URL answers, by ranges."""

    def __init__(self, url: str) -> None:
        self.name = urlsplit(url).path.rpartition("/")[2]
        self._url = url
        self._session = requests.Session()
        self._response: requests.Response | None = None
        self._position = self._end = 0
        self.size = 0
        self._open(0)

    def descriptor(self) -> None:
        """There is none."""

    def read(self, offset: int, length: int) -> bytes:
        """Those from an offset on, perhaps fewer than asked for."""
        if offset >= self.size:
            return b""
        if self._response is None or offset != self._position or offset >= self._end:
            self._open(offset)
        assert self._response is not None  # noqa: S101 - just opened
        try:
            found = self._response.raw.read(min(length, self._end - offset))
        except Exception as exc:
            raise SourceLostError(type(exc).__name__) from exc
        if not found:
            raise SourceLostError("the answer broke off")
        self._position = offset + len(found)
        return bytes(found)

    def close(self) -> None:
        """Close the connection."""
        if self._response is not None:
            self._response.close()
        self._session.close()

    def _open(self, offset: int) -> None:
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
            self.size = _whole_size(self._response)
        except (requests.RequestException, KeyError, ValueError) as exc:
            raise SourceLostError(type(exc).__name__) from exc
        self._position, self._end = offset, min(offset + WINDOW_BYTES, self.size)


def _whole_size(response: requests.Response) -> int:
    """Of the object, from ``Content-Range: bytes 0-99/1234``; raises ``ValueError``."""
    if response.status_code != requests.codes.partial_content:
        raise ValueError("ranges are not served")
    return int(response.headers["Content-Range"].rpartition("/")[2])
