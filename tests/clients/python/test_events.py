"""Test how the Python client reads a stream: messages that are no events do not end it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from auteur_client import Auteur, ProblemError

EVENT = {
    "seq": 1,
    "type": "job.started",
    "timestamp": "2026-11-25T00:00:00.000000Z",
    "data": {},
    "hash": "0" * 64,
}
STREAM = (
    'event: hello\ndata: {"seq":0}\n\n'
    f"id: 1\nevent: job.started\ndata: {json.dumps(EVENT)}\n\n"
    ":\n\n"
    'event: job.progress\ndata: {"progress":50}\n\n'
    f"id: 2\nevent: job.completed\ndata: {json.dumps(EVENT | {'seq': 2})}\n\n"
    'event: events_removed\ndata: {"oldest":100000001}\n\n'
)
REMOVED = {"code": "events_removed", "status": 410, "detail": "Gone.", "oldest": 100000001}


class Handler(BaseHTTPRequestHandler):
    """A server that streams some events, then `events_removed`; polls get that error."""

    def do_GET(self) -> None:
        is_stream = "text/event-stream" in self.headers["Accept"]
        body = (STREAM if is_stream else json.dumps(REMOVED)).encode()
        kind = "text/event-stream" if is_stream else "application/problem+json"
        self.send_response(200 if is_stream else 410)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_progress_and_signs_of_life_between_events_are_passed_over(url: str) -> None:
    """They carry the id of the event before them, as the standard has it."""
    with Auteur(url, "token", live_url=url) as client:
        events = client.events(after=0)
        assert [next(events).seq, next(events).seq] == [1, 2]
        with pytest.raises(ProblemError) as gone:
            next(events)
    assert (gone.value.status, gone.value.code) == (410, "events_removed")
    assert gone.value.document["oldest"] == 100000001
