"""A real HTTP server that stands for our storage and our API: it keeps what it is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from gpu_tasks.runtime.callback import OUTPUTS_PATH, OutputGrant, OutputRequest
from gpu_tasks.runtime.contract import OutputFile


@dataclass
class Peer:
    """What the server holds, what it got, and how it should answer."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """For a path, the statuses of its next answers; the last one stays."""
    cut_short: bool = False
    """Promise whole files and send half of them."""
    cuts: list[int] = field(default_factory=list)
    """How many bytes the next answers to GET send before they break off."""
    etag: str = ""
    """Of all files; with one, ranges are served."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every answer that is an error."""
    ranges: list[tuple[str, str]] = field(default_factory=list)
    """``Range`` and ``If-Match`` of each GET."""
    grants: int = 0
    answers: Event = field(default_factory=Event)
    """Cleared, it lets who posts wait."""
    asked: list[str] = field(default_factory=list)
    puts: dict[str, tuple[dict[str, str], bytes]] = field(default_factory=dict)
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    wanted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    """What was asked for places of outputs; one is the path that its key names."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def request_grant(self, file: OutputFile, size_bytes: int) -> OutputGrant:
        """Return the API's response to a call that has written this output."""
        self.grants += 1
        return OutputGrant(
            url=self.url(f"/{file.key}"),
            headers={"Content-Type": file.content_type, "If-None-Match": "*"},
        )

    def posted(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        """Keep what was posted; what to answer it with."""
        if not path.endswith(OUTPUTS_PATH):
            self.posts.append((headers, body))
            self.answers.wait()
            return b""
        self.wanted.append((headers, body))
        request = OutputRequest.model_validate_json(body)
        file = OutputFile(key=request.key, content_type=request.content_type)
        return self.request_grant(file, request.size_bytes).model_dump_json().encode()

    def answer_to_get(
        self, path: str, request: dict[str, str]
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, content and further headers; as S3, for a range and a condition on the ETag."""
        self.asked.append(path)
        self.ranges.append((request.get("Range", ""), request.get("If-Match", "")))
        content = self.files.get(path)
        status = 404 if content is None else self.status(path)
        if status != HTTPStatus.OK or content is None:
            return status, b"", {}
        if self.etag and request.get("If-Match", self.etag) != self.etag:
            return HTTPStatus.PRECONDITION_FAILED, b"", {}
        if self.etag and "Range" in request:
            start = int(request["Range"].removeprefix("bytes=").removesuffix("-"))
            extent = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return HTTPStatus.PARTIAL_CONTENT, content[start:], {"Content-Range": extent}
        return status, content, {}

    def headers_of(self, status: int) -> dict[str, str]:
        """Those of every answer with this status."""
        etag = {"ETag": self.etag} if self.etag else {}
        return etag | (self.headers if status >= HTTPStatus.BAD_REQUEST else {})

    def sent_length(self, content: bytes) -> int:
        """How many bytes of an answer are sent."""
        if self.cuts and content:
            return self.cuts.pop(0)
        return len(content) // 2 if self.cut_short else len(content)

    def status(self, path: str) -> int:
        left = self.statuses.get(path, [200])
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def serving() -> Iterator[Peer]:
    """Serve on a free port of loopback."""
    peer = Peer()
    peer.answers.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(peer))
    peer.port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield peer
    finally:
        peer.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(peer: Peer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content, headers = peer.answer_to_get(self.path, dict(self.headers))
            self._answer(status, content, headers)

        def do_PUT(self) -> None:
            peer.puts[self.path] = (dict(self.headers), self._body())
            self._answer(peer.status(self.path))

        def do_POST(self) -> None:
            content = peer.posted(self.path, dict(self.headers), self._body())
            self._answer(peer.status(self.path), content)

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers["Content-Length"]))

        def _answer(
            self, status: int, content: bytes = b"", headers: dict[str, str] | None = None
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for name, value in {**peer.headers_of(status), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: peer.sent_length(content)])

        def log_message(self, *_args: object) -> None:
            pass  # keep the output of the tests readable

    return Handler
