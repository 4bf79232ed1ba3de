"""The relay delivers callbacks as often, and as late, as it is told."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from auteur.devstack.ports import HOST, find_free_ports
from gpu_tasks.runtime.callback import OUTPUTS_PATH
from tests.chaos.callbacks import FORWARDED, CallbackRelay
from tests.waiting import until

BODY = b'{"kind": "progress"}'
HEADERS = {name: name.lower() for name in FORWARDED}
DELAY_SECONDS = 0.3
SUPERSEDED = 409


class Receiver(ThreadingHTTPServer):
    """Keeps what it gets; answers 409."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, str]] = []
        super().__init__((HOST, 0), Answer)


class Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((body, self.headers["X-Auteur-Signature"]))
        self.send_response(SUPERSEDED)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def relay(receiver: Receiver) -> Iterator[CallbackRelay]:
    target = f"http://{HOST}:{receiver.server_port}/"
    with CallbackRelay(find_free_ports(1)[0], target) as running:
        yield running


def send(relay: CallbackRelay) -> int:
    return requests.post(relay.url, data=BODY, headers=HEADERS, timeout=10).status_code


@pytest.mark.parametrize("copies", [1, 3])
def test_callbacks_are_delivered_as_often_as_told(
    relay: CallbackRelay, receiver: Receiver, copies: int
) -> None:
    relay.copies = copies
    assert send(relay) == SUPERSEDED
    assert receiver.received == [(BODY, "x-auteur-signature")] * copies


def test_swallowed_callbacks_are_answered_as_if_they_had_been_heard(
    relay: CallbackRelay, receiver: Receiver
) -> None:
    relay.copies = 0
    assert send(relay) == requests.codes.ok
    assert not receiver.received


def test_a_question_for_a_place_is_always_passed_on_and_answered(
    relay: CallbackRelay, receiver: Receiver
) -> None:
    relay.copies, relay.delay_seconds = 0, DELAY_SECONDS
    url = relay.url.rstrip("/") + OUTPUTS_PATH
    assert requests.post(url, data=BODY, headers=HEADERS, timeout=10).status_code == SUPERSEDED
    assert receiver.received == [(BODY, "x-auteur-signature")]


def test_late_callbacks_come_after_their_answer(relay: CallbackRelay, receiver: Receiver) -> None:
    relay.delay_seconds = DELAY_SECONDS
    begin = time.monotonic()
    assert send(relay) == requests.codes.ok
    assert not receiver.received
    until(lambda: receiver.received)
    assert time.monotonic() - begin >= DELAY_SECONDS
