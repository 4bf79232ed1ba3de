"""A server with files, as good or as bad as a test wants it."""

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Asked:
    """A request."""

    path: str
    headers: dict[str, str]


class Source:
    """An HTTP server on a loopback port, in threads of its own."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, Answer] = {}
        source = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.close_connection = True
                values = {name.lower(): value for name, value in self.headers.items()}
                source.asked.append(Asked(self.path, values))
                with suppress(OSError):  # the client has gone
                    source.answers.get(self.path.partition("?")[0], plain(404))(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str = "/film.mp4") -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def serves(self, path: str, answer: Answer) -> str:
        """The URL of a path that is answered so."""
        self.answers[path] = answer
        return self.url(path)


def plain(status: int, body: bytes = b"", **headers: str) -> Answer:
    """A status with headers (``content_type``), and a body."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def saying(raw: bytes) -> Answer:
    """These bytes, whatever they are."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(raw)

    return answer


def chunked(size_bytes: int) -> Answer:
    """So many bytes, of which it does not tell how many there are."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "video/mp4")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (size_bytes, b"x" * size_bytes))

    return answer


@dataclass
class File:
    """A file with a version; it breaks off, once, after ``break_after`` bytes.

    With ``ranges`` it answers to ranges of this very version (RFC 9110, 14).
    """

    content: bytes
    etag: str = '"v1"'
    ranges: bool = True
    break_after: int | None = None
    waits: threading.Event | None = None
    """Before it breaks off."""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "video/mp4"})

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        size, start = len(self.content), 0
        expected = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if self.ranges and expected and handler.headers.get("If-Range", self.etag) == self.etag:
            start = int(expected[1])
        handler.send_response(206 if start else 200)
        headers = {"ETag": self.etag, "Content-Length": str(size - start), **self.headers}
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        broken, self.break_after = self.break_after, None
        handler.wfile.write(self.content[start : size if broken is None else broken])
        if broken is not None and self.waits is not None:
            handler.wfile.flush()
            self.waits.wait(60)
