"""Provide a proxy before the API that injects faults: it refuses, cuts and rewrites responses."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

CHUNK_BYTES = 64 * 1024
HOPS = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}
SECONDS = 60
POLL_SECONDS = 0.02


@dataclass
class Fault:
    """A fault for the next ``times`` requests of a method whose path matches."""

    method: str
    path: str
    times: int = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_before: bool = False  # the request does not arrive
    cut_after: bool = False  # the request arrives, its response does not
    cut_at: int | None = None  # only so many bytes of the response arrive
    rewrite: Callable[[Any], Any] | None = None


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Faulty:
    """The faults that a proxy injects, and the requests that it has received."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.target_url = target
        self.url = ""
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.lock = threading.Lock()

    def next_fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == method and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None

    def requests(self, method: str, path: str) -> list[Seen]:
        return [
            request
            for request in self.seen
            if request.method == method and re.search(path, request.path)
        ]


@contextmanager
def faulty(target: str) -> Iterator[Faulty]:
    """Run a proxy before ``target`` at a free port."""
    plan = Faulty(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            _handle(plan, self)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    plan.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=[POLL_SECONDS], daemon=True)
    thread.start()
    try:
        yield plan
    finally:
        server.shutdown()
        server.server_close()


def _handle(plan: Faulty, request: BaseHTTPRequestHandler) -> None:
    fault = plan.next_fault(request.command, request.path) or Fault("", "")
    if fault.cut_before:
        request.close_connection = True
        return
    body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
    plan.seen.append(Seen(request.command, request.path, dict(request.headers), body[:10_000]))
    if fault.status:
        _answer(request, fault.status, fault.headers, b"<html>away</html>")
        return
    connection = HTTPConnection(plan.target.hostname, plan.target.port, timeout=SECONDS)
    headers = {k: v for k, v in request.headers.items() if k.lower() not in HOPS}
    connection.request(request.command, request.path, body, headers)
    _pass_on(plan, request, connection.getresponse(), fault)
    connection.close()


def _pass_on(
    plan: Faulty, request: BaseHTTPRequestHandler, answer: HTTPResponse, fault: Fault
) -> None:
    request.close_connection = fault.cut_after
    headers = {k: v for k, v in answer.getheaders() if k.lower() not in HOPS}
    if answer.getheader("Content-Type", "").startswith("text/event-stream"):
        _stream(request, answer, headers, fault)
        return
    body = answer.read()
    if fault.cut_after:
        return
    if answer.getheader("Content-Type", "").startswith("application/json"):
        body = body.replace(
            plan.target_url.encode(), plan.url.encode()
        )  # file URLs use the proxy too
    if fault.rewrite:
        body = json.dumps(fault.rewrite(json.loads(body))).encode()
    _answer(request, answer.status, headers, body, cut_at=fault.cut_at)


def _answer(
    request: BaseHTTPRequestHandler,
    status: int,
    headers: dict[str, str],
    body: bytes,
    cut_at: int | None = None,
) -> None:
    request.send_response_only(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[:cut_at])
    if cut_at is not None:
        request.close_connection = True


def _stream(
    request: BaseHTTPRequestHandler, answer: HTTPResponse, headers: dict[str, str], fault: Fault
) -> None:
    request.close_connection = True
    request.send_response_only(answer.status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Connection", "close")
    request.end_headers()
    sent_bytes = 0
    while chunk := answer.read1(CHUNK_BYTES):
        request.wfile.write(chunk)
        request.wfile.flush()
        sent_bytes += len(chunk)
        if fault.cut_at is not None and sent_bytes >= fault.cut_at:
            return
