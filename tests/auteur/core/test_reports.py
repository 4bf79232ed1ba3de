"""Reports of faults: what leaves the house, seen by an HTTP server that stands for Sentry."""

import gzip
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

FAULTY = """
import json
from auteur.wsgi import application
from django.test import RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from auteur import urls
from auteur.core.api import routing

@csrf_exempt
def broken(request):
    token = request.headers["Authorization"]
    raise RuntimeError("no row for ann@example.com at https://store/o?X-Amz-Signature=signed-by-hand"
        " or /shared/only-whoever-has-it-may-read-this-file_0")

urls.urlpatterns.append(path("broken", broken))
routing._build_resolvers.cache_clear()
request = RequestFactory(SERVER_NAME="localhost").post(
    "/broken?token=in-the-query", {"password": "in-the-body"}, "application/json",
    headers={"Authorization": "Bearer in-the-header", "X-Request-ID": "0123456789abcdef"},
)
said = []
answer = b"".join(application(request.environ, lambda status, head: said.append(status)))
assert said == ["500 Internal Server Error"], said
assert json.loads(answer)["request_id"] == "0123456789abcdef"
import sentry_sdk
sentry_sdk.flush(10)
"""
SECRETS = [
    "in-the-query",
    "in-the-body",
    "in-the-header",
    "ann@example.com",
    "signed-by-hand",
    "only-whoever",
]


@pytest.fixture
def sentry():
    received = []

    class Envelope(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_zipped = self.headers.get("Content-Encoding") == "gzip"
            received.append((gzip.decompress(body) if is_zipped else body).decode())
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Envelope)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://key@127.0.0.1:{server.server_port}/1", received
    server.shutdown()
    server.server_close()


def test_a_fault_is_reported_with_its_request_and_without_secrets(sentry, monkeypatch):
    dsn, received = sentry
    monkeypatch.setenv("SENTRY_DSN", dsn)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "auteur.settings")
    ran = subprocess.run(
        [sys.executable, "-c", FAULTY], check=False, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    result = "\n".join(received)
    assert "RuntimeError" in result
    assert '"request": "0123456789abcdef"' in result or '"request":"0123456789abcdef"' in result
    assert "http://localhost/broken" in result
    assert not [secret for secret in SECRETS if secret in result]
    assert not [secret for secret in SECRETS if secret in ran.stderr]
