"""Several processes at the same ports: who answers, who comes back, and how all end."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from auteur.core import cores
from auteur.devstack import ports
from auteur.devstack.processes import BASE_DIR
from auteur.server.children import RESTART_SECONDS, STOP_SECONDS
from auteur.server.limits import SHARED, Limits
from tests.auteur.server.serving import DEFAULTS, Served, answer_of, closes, is_open
from tests.waiting import LIMIT_SECONDS, until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
SLOW = GET.replace(b"/", b"/?seconds=1.5", 1)
COUNT = 2


class Running:
    """A server of several processes."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", port: int, metrics: int, output: Path
    ) -> None:
        self.process = process
        self.output = output
        self.port = port
        self.metrics = metrics
        self.served = Served(None, port, None)  # type: ignore[arg-type]

    def children(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    @contextmanager
    def peer_of_each(self) -> Iterator[list[socket.socket]]:
        """A connection to each process."""
        with ExitStack() as exits:
            result: dict[int, socket.socket] = {}
            while len(result) < COUNT:
                peer = exits.enter_context(self.served.peer(GET))
                result.setdefault(int(answer_of(peer)[1]), peer)
            yield [*result.values()]

    def answers(self, count: int) -> Counter[int]:
        """Which processes answer so many connections, opened one after another and kept."""
        with ExitStack() as exits:
            result: Counter[int] = Counter()
            for _ in range(count):
                peer = exits.enter_context(self.served.peer(GET))
                result[int(answer_of(peer)[1])] += 1
            return result

    def wait_for_slow_requests(self, count: int) -> None:
        """Return when so many requests are being answered."""
        until(lambda: self.output.read_text().count(" waits") >= count)

    def end(self) -> float:
        """Tell it to end; how many seconds that took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LIMIT_SECONDS)
        return time.monotonic() - began


@contextmanager
def running(said: Path, **settings: str) -> Iterator[Running]:
    port, metrics = ports.find_free_ports(2)
    with said.open("w") as output:
        process = subprocess.Popen(
            [
                *(
                    sys.executable,
                    "-m",
                    "auteur.server",
                    "tests.auteur.server.sleeper:application",
                ),
                *("--bind", f"127.0.0.1:{port}", "--metrics", f"127.0.0.1:{metrics}"),
            ],
            cwd=BASE_DIR,
            env=os.environ | {"API_PROCESSES": str(COUNT)} | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            until(lambda: not ports.is_free(port) or process.poll() is not None, seconds=60)
            server = Running(process, port, metrics, said)
            until(lambda: len(server.answers(4)) == COUNT)
            yield server
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in said.read_text()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "said") as result:
        yield result


def test_all_children_answer_and_the_parent_does_not(server: Running) -> None:
    assert set(server.answers(8)) == server.children()
    assert server.process.pid not in server.children()


def test_connections_are_taken_in_turn(server: Running) -> None:
    limit = [max(server.answers(8).values()) for _ in range(9)]
    assert sorted(limit)[4] <= 5  # of 8, usually: 4


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_one_that_is_killed_comes_back_and_others_answer_meanwhile(server: Running) -> None:
    dead, *others = server.children()
    time.sleep(RESTART_SECONDS)
    os.kill(dead, signal.SIGKILL)
    until(lambda: not is_alive(dead))  # it may still take a connection
    assert set(server.answers(4)) <= {*others, *server.children()}
    until(lambda: len(server.children() - {dead}) == COUNT)
    until(lambda: len(server.answers(4)) == COUNT)
    assert dead not in server.answers(4)


def test_those_that_cannot_live_are_started_once_in_a_while(server: Running) -> None:
    seen: set[int] = set()

    def kill_new_ones() -> bool:
        for child in server.children() - seen:
            os.kill(child, signal.SIGKILL)
            seen.add(child)
        return len(seen) >= 4 * COUNT

    began = time.monotonic()
    until(kill_new_ones, interval=0.01)
    # The first ones had lived for long enough; each of the others waits for its turn.
    assert time.monotonic() - began >= 2 * RESTART_SECONDS


NONE_CAN_BE_STARTED = """
import os
from auteur.server import children

def refuse():
    raise BlockingIOError

child = children._Child(0, lambda number: None)
child.process.join()
fork, os.fork = os.fork, refuse
child._started_at -= 2 * children.RESTART_SECONDS
child.restart_if_dead()
os.fork = fork
child.restart_if_dead()  # too soon
child._started_at -= 2 * children.RESTART_SECONDS
before = child.process.pid
child.restart_if_dead()
child.process.join()
assert child.process.pid != before and child.process.exitcode == 0
"""


def test_where_none_can_be_started_it_is_tried_again() -> None:
    subprocess.run([sys.executable, "-c", NONE_CAN_BE_STARTED], cwd=BASE_DIR, check=True)


def test_one_alone_that_is_told_to_end_finishes_and_comes_back(server: Running) -> None:
    with server.served.peer(SLOW) as peer:
        server.wait_for_slow_requests(1)
        for child in server.children():
            os.kill(child, signal.SIGTERM)
        assert answer_of(peer)[0] == 200
    until(lambda: len(server.answers(4)) == COUNT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_end_when_told_and_open_requests_are_answered(
    server: Running, number: signal.Signals
) -> None:
    children = server.children()
    with server.peer_of_each() as peers:
        for peer in peers:
            peer.sendall(SLOW)
        server.wait_for_slow_requests(COUNT)
        server.process.send_signal(number)
        answers = [answer_of(peer) for peer in peers]
    assert {status for status, _ in answers} == {200}
    assert {int(body) for _, body in answers} == children
    server.process.wait(LIMIT_SECONDS)
    assert not any(map(psutil.pid_exists, children))
    assert ports.is_free(server.port)
    assert ports.is_free(server.metrics)


def test_one_that_does_not_end_is_killed(server: Running) -> None:
    children = server.children()
    os.kill(min(children), signal.SIGSTOP)
    assert server.end() >= STOP_SECONDS - 0.1
    assert not any(map(psutil.pid_exists, children))


def test_idle_connections_do_not_keep_it(server: Running) -> None:
    with ExitStack() as exits:
        peers = [exits.enter_context(server.served.peer()) for _ in range(6)]
        time.sleep(0.2)
        assert server.end() < STOP_SECONDS - 0.1
        assert all(map(closes, peers))


def test_children_end_with_their_parent(server: Running) -> None:
    children = server.children()
    server.process.kill()
    until(lambda: not any(map(psutil.pid_exists, children)))
    assert ports.is_free(server.port)


def test_figures_are_served_at_their_port_whoever_serves_the_rest(server: Running) -> None:
    for _ in range(4):
        response = requests.post(f"http://127.0.0.1:{server.metrics}/metrics", timeout=10)
        assert response.status_code == 405


def test_all_together_have_as_many_connections_as_one_would(tmp_path: Path) -> None:
    with running(tmp_path / "said", MAX_CONNECTIONS="8") as server, ExitStack() as exits:
        peers = [exits.enter_context(server.served.peer()) for _ in range(12)]
        until(lambda: sum(map(is_open, peers)) <= 8)
        assert sum(map(is_open, peers)) > 2
        refused = next(peer for peer in peers if not is_open(peer))
        assert answer_of(refused)[0] == 503


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_shares_are_no_more_than_the_whole_and_never_nothing(processes: int) -> None:
    whole = Limits(**DEFAULTS | {"queued": 1, "connections": processes})
    one = whole.divide(processes)
    for name in SHARED:
        share = getattr(one, name)
        assert share >= 1
        assert share * processes <= getattr(whole, name) or share == 1, name
        assert (share + 1) * processes > getattr(whole, name), name
    assert one.connections == 1
    assert one.threads == whole.threads
    assert one.head_seconds == whole.head_seconds


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ("max 100000\n", None),
        ("100000 100000\n", 1),
        ("100001 100000\n", 2),
        ("1 100000\n", 1),
        ("99999999 100000\n", None),
        ("nonsense", None),
    ],
)
def test_cores_are_those_of_the_container(tmp_path: Path, said: str, result: int | None) -> None:
    (file := tmp_path / "cpu.max").write_text(said)
    here = len(os.sched_getaffinity(0))
    assert cores.count_cores(file) == (here if result is None else min(result, here))


def test_cores_are_those_that_it_may_run_on() -> None:
    asked = [sys.executable, "-c", "from auteur.core import cores; print(cores.count_cores())"]
    pinned = ["import os, sys", "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"]
    pinned.append("os.execv(sys.argv[1], sys.argv[1:])")
    command = [sys.executable, "-c", "; ".join(pinned), *asked]
    assert subprocess.check_output(command, cwd=BASE_DIR).strip() == b"1"
