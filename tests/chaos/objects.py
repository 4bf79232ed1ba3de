"""An S3 server in the suite's own process that can refuse all requests for a while."""

import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any, Self

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from auteur.devstack.ports import HOST

BUCKET = "auteur-chaos"
REGION = "us-east-1"
ACCESS_KEY, SECRET_KEY = "AKIDCHAOS", "not-a-real-secret"
SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class ObjectStore:
    """An S3 server on ``port``; ``refused`` counts the requests of each method that it refused."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{HOST}:{port}"
        self.refused: Counter[str] = Counter()
        self._refuses = threading.Event()
        self.awaits_calls = False
        self._inputs = self._outputs = 0
        self._lock = threading.Lock()
        self._application: Any = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            HOST, port, self._serve, threaded=True, request_handler=_SilentHandler
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def settings(self) -> dict[str, str]:
        """The variables by which our processes use this server."""
        return {
            "STORAGE_BACKEND": "s3",
            "S3_BUCKET": BUCKET,
            "S3_ENDPOINT_URL": self.url,
            "S3_REGION": REGION,
            "S3_ACCESS_KEY_ID": ACCESS_KEY,
            "S3_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        client.create_bucket(Bucket=BUCKET)
        client.close()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def refuse_amid_calls(self, seconds: float) -> bool:
        """Answer 503 to everything from the next moment on at which that meets all kinds of work.

        A call has just stored its output, which is to be looked at, and another one has read its
        input and has an output to store. Return whether this came within so many seconds.
        """
        with self._lock:
            self.refused.clear()
            self._inputs = self._outputs = 0
            self.awaits_calls = True
        return self._refuses.wait(seconds)

    def accept(self) -> None:
        """Answer requests again."""
        with self._lock:
            self.awaits_calls = False
            self._refuses.clear()

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if self._refuses.is_set():
            with self._lock:
                self.refused[method] += 1
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [SLOW_DOWN]
        chunks = list(self._application(environ, start_response))
        # Calls have signed URLs; with a range, it is ourselves who look at a file.
        if "X-Amz-Signature" in environ["QUERY_STRING"] and "HTTP_RANGE" not in environ:
            with self._lock:
                self._inputs += method == "GET"
                self._outputs += method == "PUT"
                is_amid = method == "PUT" and self._inputs > self._outputs
                if self.awaits_calls and is_amid:
                    self._refuses.set()
        return chunks


class _SilentHandler(WSGIRequestHandler):
    """Handles requests without a word on the screen."""

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass
