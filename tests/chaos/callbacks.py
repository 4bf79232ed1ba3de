"""Stands between running calls and the API: passes callbacks on, thrice, late or never."""

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import requests

from auteur.devstack.ports import HOST
from gpu_tasks.runtime.callback import (
    ATTEMPT_HEADER,
    OUTPUTS_PATH,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
)

FORWARD_SECONDS = 15.0
FORWARDED = ("Content-Type", ATTEMPT_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
OK = 200
BAD_GATEWAY = 502
THREADS = 12


class CallbackRelay:
    """An HTTP server to name as ``GPU_CALLBACK_URL``; what it does can be changed at any time."""

    def __init__(self, port: int, target: str) -> None:
        self.url = f"http://{HOST}:{port}/"
        self.copies = 1
        """How often each callback is delivered, at once; none is answered 200 all the same."""
        self.delay_seconds = 0.0
        """If not 0, callbacks are answered 200 at once and delivered later."""
        self.received = 0
        self._target = target
        self._pool = ThreadPoolExecutor(THREADS)
        self._ending = threading.Event()
        self._server = ThreadingHTTPServer((HOST, port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._pool.shutdown()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: self.headers[name] for name in FORWARDED}
                if self.path.endswith(OUTPUTS_PATH):  # a question, which needs its answer
                    status, content = relay.ask(body, headers)
                else:
                    status, content = relay.deliver(body, headers), b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def ask(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Pass on a request for an output's place; its answer."""
        return self._sent(self._target + OUTPUTS_PATH, body, headers)

    def deliver(self, body: bytes, headers: dict[str, str]) -> int:
        """Pass a callback on as told; the status to answer with."""
        self.received += 1
        if self.delay_seconds:
            late = threading.Timer(self.delay_seconds, self._forward_late, (body, headers))
            late.daemon = True
            late.start()
            return OK
        deliveries = [self._pool.submit(self._forward, body, headers) for _ in range(self.copies)]
        return max((delivery.result() for delivery in deliveries), default=OK)

    def _forward_late(self, body: bytes, headers: dict[str, str]) -> None:
        if not self._ending.is_set():
            self._forward(body, headers)

    def _forward(self, body: bytes, headers: dict[str, str]) -> int:
        return self._sent(self._target, body, headers)[0]

    def _sent(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        try:
            answer = requests.post(url, data=body, headers=headers, timeout=FORWARD_SECONDS)
        except requests.RequestException:
            return BAD_GATEWAY, b""
        return answer.status_code, answer.content
