"""A WSGI call: its environment, and its response in parts that any thread may read."""

import sys
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from django.core.exceptions import RequestDataTooBig

Environ = dict[str, Any]
WSGI = Callable[..., Iterable[bytes]]
Headers = list[tuple[str, str]]
HOP_BY_HOP = frozenset({b"transfer-encoding", b"connection", b"keep-alive", b"upgrade"})


def build_environ(scope: Any) -> Environ:
    """Return the WSGI environment of a request without a body.

    Headers with an underscore are dropped. WSGI could not distinguish them from headers with a
    hyphen, which a proxy sets.
    """
    host, port = scope["server"]
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0] if scope["client"] else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if name not in HOP_BY_HOP and b"_" not in name:
            _add_header(environ, name.decode("latin-1"), value.decode("latin-1"))
    return environ


def _add_header(environ: Environ, name: str, value: str) -> None:
    key = name.upper().replace("-", "_")
    if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        key = f"HTTP_{key}"
    separator = "; " if key == "HTTP_COOKIE" else ","
    environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value


class OversizedBody:
    """A body larger than its view accepts: reading it raises the error that becomes a 413."""

    def read(self, size: int = -1) -> bytes:
        raise RequestDataTooBig

    readline = read


class Call:
    """A request that a WSGI application answers, in one or several threads."""

    def __init__(self, application: WSGI, environ: Environ, part_bytes: int) -> None:
        self.status = 500
        self.headers: Headers = []
        self._application = application
        self._environ = environ
        self._part_bytes = part_bytes
        self._response: Iterable[bytes] | None = None
        self._chunks: Iterator[bytes] = iter(())
        self.is_closed = False

    def pull_chunks(self) -> tuple[list[bytes], bool]:
        """Return the next chunks, ``part_bytes`` or a little more, and True if others may follow.

        The first call runs the application.
        """
        if self._response is None:
            self._response = self._application(self._environ, self._start)
            self._chunks = iter(self._response)
        chunks: list[bytes] = []
        size = 0
        for chunk in self._chunks:
            chunks.append(chunk)
            size += len(chunk)
            if size >= self._part_bytes:
                return chunks, True
        self.close()
        return chunks, False

    def close(self) -> None:
        """Close the response and the body. Another call does nothing."""
        if self.is_closed:
            return
        self.is_closed = True
        try:
            if (close := getattr(self._response, "close", None)) is not None:
                close()
        finally:
            if (close := getattr(self._environ["wsgi.input"], "close", None)) is not None:
                close()

    def _start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[..., None]:
        self.status, self.headers = int(status.partition(" ")[0]), headers
        return _refuse_write


def _refuse_write(data: bytes) -> None:
    raise NotImplementedError  # WSGI's old ``write`` is not supported.
