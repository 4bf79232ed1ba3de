"""Measure our server beside granian and gunicorn, with the same Django: rate and CPU.

Each server has as many processes as this machine has cores, at most two. A turn takes about a
second at each server. The clients keep their connections and are a separate process on the same
cores. Granian and gunicorn are measured if they are installed (`pip install granian gunicorn`).
Last, each server gets requests while twice as many peers as it has threads have sent half a body.
The ratio is of processor time, which depends least on other load.
"""

import importlib.util
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import psutil

from auteur.devstack import ports, processes
from auteur.devstack.process import Process
from benchmarks import report, stack

PROCESSES = int(os.environ.get("BENCHMARK_PROCESSES", min(2, os.cpu_count() or 1)))
THREADS = 8
CONNECTIONS = 8
REQUESTS = int(os.environ.get("BENCHMARK_REQUESTS", "1500"))
TURNS = int(os.environ.get("BENCHMARK_TURNS", "4"))
APPLICATION = "auteur.wsgi:application"
PATHS = ("/health/live", "/credits")
STALLED = (
    "POST /jobs/batch HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{"
)
STALL_SECONDS = 1.0
COMMANDS = {
    "ours": f"auteur.server {APPLICATION} --bind {{address}}",
    "granian": f"granian --interface wsgi --workers {PROCESSES} --blocking-threads {THREADS}"
    f" --backpressure 512 --no-ws --log-level error --host {{host}} --port {{port}} {APPLICATION}",
    "gunicorn": f"gunicorn --worker-class gthread --workers {PROCESSES} --threads {THREADS}"
    f" --keep-alive 20 --log-level error --bind {{address}} {APPLICATION}",
}


@dataclass
class Cell:
    """The figures of one server at one path."""

    requests: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    spread: list[int] = field(default_factory=list)

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_seconds / self.requests


def be_clients(port: int, path: str, token: str) -> None:
    """Send requests for each line of input, over persistent connections; print the seconds."""
    sent = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    peers = [socket.create_connection((ports.HOST, port)) for _ in range(CONNECTIONS)]
    selector = selectors.DefaultSelector()
    for peer in peers:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(peer, selectors.EVENT_READ)
    print("open", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        ask_all(peers, selector, sent.encode())
        print(time.perf_counter() - began, flush=True)


def ask_all(
    peers: Sequence[socket.socket], selector: selectors.BaseSelector, request: bytes
) -> None:
    """Send `REQUESTS` requests, one at a time on each connection."""
    received = dict.fromkeys(peers, b"")
    for peer in peers:
        peer.sendall(request)
    sent_count, answered = len(peers), 0
    while answered < REQUESTS:
        for key, _ in selector.select():
            peer = cast(socket.socket, key.fileobj)
            received[peer] += peer.recv(65536)
            if not _is_whole(received[peer]):
                continue
            answered += 1
            received[peer] = b""
            if sent_count < REQUESTS:
                peer.sendall(request)
                sent_count += 1


def _is_whole(answer: bytes) -> bool:
    if not b"HTTP/1.1 200 ".startswith(answer[:13]):
        raise RuntimeError(answer[:1000])
    head, end, body = answer.lower().partition(b"\r\n\r\n")
    return bool(end) and len(body) == int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])


@contextmanager
def clients(port: int, path: str, token: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "benchmarks.servers", str(port), path, token]
    with subprocess.Popen(
        command,
        cwd=processes.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


def ask(client: "subprocess.Popen[str]") -> float:
    """Return the seconds that one turn took."""
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write("\n")
    return float(client.stdout.readline())


def cpu_seconds(server: psutil.Process) -> float:
    """Return the processor time of a server and its children, to the nanosecond."""
    results = 0
    for process in (server, *server.children(recursive=True)):
        for thread in Path(f"/proc/{process.pid}/task").iterdir():
            results += int((thread / "schedstat").read_text().split()[0])
    return results / 1e9


def spread(server: psutil.Process, port: int) -> list[int]:
    """Return how many connections each process of a server has."""
    counts = (
        sum(
            connection.laddr.port == port and connection.status == "ESTABLISHED"
            for connection in opened
        )
        for opened in (
            process.net_connections("tcp") for process in (server, *server.children(recursive=True))
        )
    )
    return sorted(filter(None, counts), reverse=True)


def turn(cell: Cell, server: psutil.Process, port: int, path: str, token: str) -> None:
    with clients(port, path, token) as client:
        ask(client)
        before = cpu_seconds(server)
        cell.seconds += ask(client)
        cell.cpu_seconds += cpu_seconds(server) - before
        cell.requests += REQUESTS
        cell.spread.append(max(spread(server, port)))


def answers_while_others_stall(port: int, token: str) -> bool:
    with ExitStack() as exits:
        for _ in range(2 * PROCESSES * THREADS):
            peer = exits.enter_context(socket.create_connection((ports.HOST, port)))
            peer.sendall(STALLED.format(token=token).encode())
        time.sleep(STALL_SECONDS)
        return all(processes.has_ok_answer(port, PATHS[0]) for _ in range(2 * PROCESSES))


def servers(settings: Mapping[str, str]) -> dict[str, tuple[Process, int]]:
    """Return our server and the installed peers, each with its port."""
    results = {}
    for name, command in COMMANDS.items():
        if name != "ours" and importlib.util.find_spec(name) is None:
            print(f"{name} is not installed: not measured")
            continue
        (port,) = ports.find_free_ports(1)
        filled = command.format(host=ports.HOST, port=port, address=f"{ports.HOST}:{port}")
        results[name] = (
            Process(
                name=name,
                command=(sys.executable, "-m", *filled.split()),
                environment=settings,
                directory=processes.BASE_DIR,
                ready=partial(processes.has_ok_answer, port, "/health/live"),
            ),
            port,
        )
    return results


def measure(
    settings: Mapping[str, str], var: Path
) -> tuple[dict[tuple[str, str], Cell], dict[str, bool]]:
    """Measure each server at each path, and find out which answered while peers stalled."""
    (user,) = stack.make_users(settings, users=1, credits=1)
    server_processes = servers(settings)
    with stack.run_processes(
        [process for process, _ in server_processes.values()], var
    ) as supervisor:
        results = {(name, path): Cell() for path in PATHS for name in server_processes}
        running = {child.name: psutil.Process(child.pid) for child in supervisor.children}
        for _ in range(TURNS):
            for (name, path), cell in results.items():
                turn(cell, running[name], server_processes[name][1], path, user.token)
        return results, {
            name: answers_while_others_stall(port, user.token)
            for name, (_, port) in server_processes.items()
        }


def main() -> None:
    with stack.run_stores(without=("mongodb",)) as (var, values), ExitStack() as exits:
        settings = stack.settings(
            values,
            RATE_LIMIT="1000000/minute",
            API_PROCESSES=str(PROCESSES),
            API_THREADS=str(THREADS),
            LOG_LEVEL="WARNING",
        )
        exits.enter_context(stack.run_processes(stack.list_programs(settings, ("migrate",)), var))
        results, steady = measure(settings, var)
    cpu = {name: cell.cpu_ms for (name, path), cell in results.items() if path == PATHS[0]}
    report.show(
        benchmark="servers",
        title=f"{PROCESSES} processes, {CONNECTIONS} connections, {os.cpu_count()} cores",
        columns=("server", "path", "requests/s", "CPU ms", "most of one process", "while stalled"),
        rows=rows(results, steady),
        ours=cpu["ours"],
        baselines={name: figure for name, figure in cpu.items() if name != "ours"} or cpu,
        less_is_better=True,
        ratio_is="CPU of a peer's request to /health/live / CPU of ours",
        python=sys.version.split()[0],
        answers_while_others_stall=steady,
        cells={
            f"{name} {path}": [round(cell.requests / cell.seconds, 1), round(cell.cpu_ms, 3)]
            for (name, path), cell in results.items()
        },
    )


def rows(
    results: Mapping[tuple[str, str], Cell], steady: Mapping[str, bool]
) -> Sequence[Sequence[object]]:
    return [
        (
            name,
            path,
            cell.requests / cell.seconds,
            f"{cell.cpu_ms:.3f}",
            " ".join(map(str, cell.spread)),
            "answers" if steady[name] else "silent",
        )
        for (name, path), cell in results.items()
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        be_clients(int(sys.argv[1]), sys.argv[2], sys.argv[3])
    else:
        main()
