"""A registry of schemas, as far as Confluent's protocol is used: HTTP, JSON, BACKWARD."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

LOGIN = ("key", "secret")


class Registry:
    """What it has, and where it listens."""

    def __init__(self) -> None:
        self.schemas: list[str] = []
        """By their ids, from 1."""
        self.subjects: dict[str, list[int]] = {}
        self.compatibility: dict[str, str] = {}
        self.asked: list[str] = []
        self.answers_with: tuple[int, bytes] | None = None
        """To everything."""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, subject: str, schema: str) -> int:
        """Store a schema without looking at it."""
        if schema not in self.schemas:
            self.schemas.append(schema)
        created = self.schemas.index(schema) + 1
        versions = self.subjects.setdefault(subject, [])
        if created not in versions:
            versions.append(created)
        return created

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        match [method, *(unquote(part) for part in path.strip("/").split("/"))]:
            case ["PUT", "config", subject]:
                self.compatibility[subject] = body["compatibility"]
                return 200, body
            case ["POST", "subjects", subject]:
                return self._lookup(subject, body["schema"])
            case ["POST", "subjects", subject, "versions"]:
                return self._register(subject, body["schema"])
            case ["GET", "schemas", "ids", number] if int(number) <= len(self.schemas):
                return 200, {"schema": self.schemas[int(number) - 1]}
            case ["GET", "schemas", "ids", _]:
                return 404, {"error_code": 40403, "message": "Schema not found"}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _lookup(self, subject: str, schema: str) -> tuple[int, Any]:
        if subject not in self.subjects:
            return 404, {"error_code": 40401, "message": "Subject not found."}
        for version, created in enumerate(self.subjects[subject], start=1):
            if self.schemas[created - 1] == schema:
                return 200, {
                    "subject": subject,
                    "id": created,
                    "version": version,
                    "schema": schema,
                }
        return 404, {"error_code": 40403, "message": "Schema not found"}

    def _register(self, subject: str, schema: str) -> tuple[int, Any]:
        reader = avro.schema.parse(schema)
        if versions := self.subjects.get(subject):
            writer = avro.schema.parse(self.schemas[versions[-1] - 1])
            check = ReaderWriterCompatibilityChecker().get_compatibility
            results = check(reader=reader, writer=writer).compatibility
            if results is not SchemaCompatibilityType.compatible:
                return 409, {
                    "error_code": 409,
                    "message": "Schema being registered is incompatible",
                }
        return 200, {"id": self.add(subject, schema)}


@contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    """Answer at a port of its own, at the same again if it had one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or b"{}")
            expected = base64.b64encode(":".join(LOGIN).encode()).decode()
            if registry.answers_with is not None:
                status, content = registry.answers_with
            elif self.headers.get("Authorization") != f"Basic {expected}":
                status, content = 401, b'{"error_code": 401, "message": "Unauthorized"}'
            else:
                status, output = registry.answer(self.command, urlsplit(self.path).path, body)
                content = json.dumps(output).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815

        def log_message(self, *args: Any) -> None:
            """Nothing: the tests look at what was asked."""

    with ThreadingHTTPServer(("127.0.0.1", registry.port), Handler) as server:
        server.daemon_threads = True
        registry.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()
