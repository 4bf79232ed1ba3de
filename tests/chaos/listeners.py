"""Clients that follow a user's events through a fault, each in one of the ways there are.

They do what docs/events.md asks of a client: remember the last number, begin again behind it, and
recompute the hashes.
"""

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import requests
from standardwebhooks import Webhook
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from auteur.devstack import ports
from docs.examples.verify_events import next_hash
from tests.chaos.records import RecordReader
from tests.chaos.stack import ChaosStack

NO_HASH = "0" * 64
EPOCH = 10**8
"""After a restore, a user's numbers begin anew above a multiple of this."""
REMOVED = "events_removed"
PROGRESS = "job.progress"
REQUEST_SECONDS = 20.0
WAIT_SECONDS = 5
AGAIN_SECONDS = 0.3
CATCH_UP_SECONDS = 60.0
LATE_SECONDS = 10.0
HEAD = "SELECT seq, encode(hash, 'hex') FROM event_heads WHERE user_id = %s"
OUTAGES = (requests.RequestException, WebSocketException, OSError, TimeoutError, EOFError)

Event = Mapping[str, Any]


class Listener:
    """One client; a subclass says how it hears of events after ``seq``."""

    name = ""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self.seq = 0
        self.hash: str | None = NO_HASH
        """Of the last event; None where it was lost in a restore."""
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=self.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Hear no more; what is being waited for may take its time."""
        self._stop.set()

    def hear(self) -> Iterator[Event]:
        """Events after ``seq``, until the connection breaks."""
        raise NotImplementedError

    def _follow(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(*OUTAGES):
                for event in self.hear():
                    self._take(event)
                    if self._stop.is_set():
                        return
            self._stop.wait(AGAIN_SECONDS)

    def go_on_after(self, seq: int) -> None:
        """Follow the log from there: the events that this client knows were lost."""
        self.seq, self.hash = seq, None

    def _take(self, event: Event) -> None:
        begins_epoch = event["seq"] % EPOCH == 1 and event["seq"] > self.seq
        if event["seq"] != self.seq + 1 and not begins_epoch:
            self.wrong.append(f"{self.name}: event {event['seq']} after {self.seq}")
        if self.hash is not None and event["hash"] != next_hash(self.hash, event):
            self.wrong.append(f"{self.name}: the hash of event {event['seq']} does not follow")
        self.seq, self.hash = event["seq"], event["hash"]


class Poller(Listener):
    """Asks again and again, and is kept waiting while there is nothing."""

    name = "long poll"

    def hear(self) -> Iterator[Event]:
        answer = requests.get(
            f"{self.url}/events",
            params={"after": self.seq, "wait": WAIT_SECONDS},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=REQUEST_SECONDS,
        )
        if answer.status_code == requests.codes.gone:
            self.go_on_after(answer.json()["oldest"] - 1)
            return
        answer.raise_for_status()
        yield from answer.json()["events"]


class StreamReader(Listener):
    """Reads server-sent events."""

    name = "SSE"

    def hear(self) -> Iterator[Event]:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "text/event-stream",
            "Last-Event-ID": str(self.seq),
        }
        with requests.get(
            f"{self.url}/events", headers=headers, stream=True, timeout=REQUEST_SECONDS
        ) as stream:
            if stream.status_code == requests.codes.gone:
                self.go_on_after(stream.json()["oldest"] - 1)
                return
            stream.raise_for_status()
            kind = ""
            for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data" and kind == REMOVED:
                    self.go_on_after(json.loads(value)["oldest"] - 1)
                    return
                elif name == "data" and kind.startswith("job.") and kind != PROGRESS:
                    yield json.loads(value)


class SocketReader(Listener):
    """Follows the WebSocket."""

    name = "WebSocket"

    def hear(self) -> Iterator[Event]:
        address = f"{self.url.replace('http', 'ws', 1)}/ws/jobs"
        with connect(address, open_timeout=REQUEST_SECONDS, close_timeout=1) as socket:
            hello = {"type": "authenticate", "token": self.token, "after": self.seq}
            socket.send(json.dumps(hello))
            for text in socket:
                message = json.loads(text)
                if message["type"] == "event":
                    yield message["event"]
                elif message["type"] == "error" and message["problem"]["code"] == REMOVED:
                    self.go_on_after(message["problem"]["oldest"] - 1)
                    return


class Receiver(Listener):
    """Is called by webhooks: in any order, and perhaps more than once."""

    name = "webhook"

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, token)
        self._received: dict[int, Event] = {}
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer((ports.HOST, 0), self._handler())
        self._serving = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._serving.start()
        response = requests.post(
            f"{url}/webhooks",
            json={"url": f"http://{ports.HOST}:{self._server.server_port}/"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=REQUEST_SECONDS,
        )
        response.raise_for_status()
        self._signature = Webhook(response.json()["secret"])

    def stop(self) -> None:
        """Answer no more."""
        super().stop()
        self._server.shutdown()
        self._server.server_close()

    def hear(self) -> Iterator[Event]:
        with self._arrived:
            self._arrived.wait_for(lambda: self.seq + 1 in self._received, AGAIN_SECONDS)
        while self.seq + 1 in self._received:
            yield self._received[self.seq + 1]
        with self._arrived:
            firsts = [seq for seq in self._received if seq > self.seq and seq % EPOCH == 1]
            # Only the log could say whether the events in between were lost or are late.
            if firsts and not self._arrived.wait_for(
                lambda: self.seq + 1 in self._received, LATE_SECONDS
            ):
                self.go_on_after(min(firsts) - 1)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.receive(body, dict(self.headers))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *values: object) -> None:
                """Nothing on the screen."""

        return Handler

    def receive(self, body: bytes, headers: dict[str, str]) -> None:
        """Believe an event that is signed."""
        event = self._signature.verify(body, headers)
        with self._arrived:
            before = self._received.setdefault(event["seq"], event)
            if before["hash"] != event["hash"]:
                self.wrong.append(f"{self.name}: two events have the number {event['seq']}")
            self._arrived.notify_all()


class Listeners:
    """One of each way, for one user."""

    def __init__(self, stack: ChaosStack, user_id: str) -> None:
        url = f"http://{ports.HOST}:{stack.env['LIVE_PORT']}"
        token = stack.token(user_id)
        self._stack = stack
        self._user_id = user_id
        self._all: list[Listener] = [
            way(url, token) for way in (Poller, StreamReader, SocketReader)
        ]
        self._all.append(Receiver(stack.client_url, token))
        self._records = RecordReader(stack, user_id)

    def __enter__(self) -> Self:
        for listener in self._all:
            listener.start()
        self._records.start()
        return self

    def __exit__(self, *exc: object) -> None:
        for listener in self._all:
            listener.stop()
        self._records.stop()

    def complaints(self) -> list[str]:
        """Who missed or doubled an event, or has not come as far as the log, with its hash."""
        seq, digest = self._head()
        end = time.monotonic() + CATCH_UP_SECONDS
        while time.monotonic() < end and any(item.seq < seq for item in self._all):
            time.sleep(AGAIN_SECONDS)
        wrong = [text for item in self._all for text in item.wrong]
        wrong += self._records.complaints()
        return wrong + [
            f"{item.name}: heard {item.seq} events of {seq}, {item.hash} is not {digest}"
            for item in self._all
            if (item.seq, item.hash) != (seq, digest)
        ]

    def _head(self) -> tuple[int, str]:
        with self._stack.database() as database:
            row = database.execute(HEAD, [self._user_id]).fetchone()
        return (row[0], row[1]) if row else (0, NO_HASH)
