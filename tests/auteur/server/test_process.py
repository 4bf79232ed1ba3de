"""The server as a process: two ports, hundreds of slow peers, and its end."""

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from auteur.devstack import ports
from auteur.devstack.processes import BASE_DIR
from auteur.server.gateway import Environ
from tests.auteur.server.serving import Served, answer_of, serving, whole
from tests.waiting import until

STATIC = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
STALLED = (
    b"POST /jobs/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{",
    b"GET /health/live HTTP/1.1\r\nHost: loc",
    f"GET {STATIC} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
)
OF_EACH = 200
LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int, Path]]:
    """The port of the API, that of the figures, and what the process says."""
    port, metrics = ports.find_free_ports(2)
    said = tmp_path_factory.mktemp("server") / "said"
    with said.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "auteur.server", "auteur.wsgi:application"),
                *("--bind", f"127.0.0.1:{port}", "--metrics", f"127.0.0.1:{metrics}"),
            ],
            cwd=BASE_DIR,
            env=os.environ | {"MAX_CONNECTIONS_PER_ADDRESS": str(4 * OF_EACH)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            until(lambda: not ports.is_free(port) or process.poll() is not None, seconds=60)
            yield port, metrics, said
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        finally:
            process.kill()
    assert "Traceback" not in said.read_text()


def test_others_are_answered_while_hundreds_of_each_kind_stall(api: tuple[int, int, Path]) -> None:
    served = Served(None, api[0], None)  # type: ignore[arg-type]
    with ExitStack() as exits:
        for sent in STALLED:
            for _ in range(OF_EACH):
                exits.enter_context(served.peer(sent))
        for _ in range(20):
            assert served.ask(LIVE) == (200, b'{"status": "ok"}')


def test_each_port_has_its_own(api: tuple[int, int, Path]) -> None:
    port, metrics, _ = api
    assert requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).status_code == 404
    assert requests.get(f"http://127.0.0.1:{metrics}/health/live", timeout=10).status_code == 404
    assert requests.post(f"http://127.0.0.1:{metrics}/metrics", timeout=10).status_code == 405


def test_the_access_log_leaves_out_queries_addresses_and_line_breaks(
    api: tuple[int, int, Path],
) -> None:
    port, _, output = api
    asked = "/health/live%0Aforged?signature=do-not-log-me"
    requests.get(f"http://127.0.0.1:{port}{asked}", timeout=10)

    def found() -> str:
        lines = output.read_text().splitlines()
        return next((line for line in lines if "] GET /health/live%0A" in line), "")

    line = until(found, seconds=10)
    assert "/health/live%0Aforged 404 " in line
    assert "do-not-log-me" not in output.read_text()
    assert "127.0.0.1" not in line


def test_logs_have_the_route_of_a_shared_address_and_no_token(api: tuple[int, int, Path]) -> None:
    port, _, output = api
    token = secrets.token_urlsafe(32) + "_"  # no request has it: the process has no tables
    encoded = "".join(f"%{ord(letter):02x}" for letter in "shared")
    for path in (f"/shared/{token}", f"/{encoded}/{token}", f"/shared/{token}/?a={token}"):
        assert requests.get(f"http://127.0.0.1:{port}{path}", timeout=10).status_code == 404
    until(lambda: output.read_text().count("GET /shared/:token 404 ") == 3, seconds=10)
    text = output.read_text()
    assert "Not Found: /shared/:token" in text
    assert token not in text


def test_requests_in_hand_are_finished_when_it_is_told_to_stop() -> None:
    go, begun = threading.Event(), threading.Event()

    def slow(environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
        begun.set()
        go.wait(30)
        return whole(b"done", start_response)

    with serving(slow) as served:
        with served.peer(LIVE) as peer, served.peer() as idle:
            assert begun.wait(60)
            served.server.should_exit = True
            assert idle.recv(1) == b""
            go.set()
            assert answer_of(peer) == (200, b"done")
