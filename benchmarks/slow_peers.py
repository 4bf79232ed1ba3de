"""Measure how a thousand slow peers slow down GET requests of others.

A third of the peers never finishes its headers, a third its body, and a third reads nothing of a
large answer. Dropped peers reconnect. They are a separate process, as are the measured clients; all
processes share the cores of this machine. The limits of one address and of requests are raised.
"""

import http.client
import os
import select
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from auteur.devstack import processes
from benchmarks import report, stack
from benchmarks.stack import User

PEERS = int(os.environ.get("BENCHMARK_SLOW_PEERS", "1000"))
REQUESTS = 1500
SETTLE_SECONDS = 5  # until what they asked for is answered as far as they read it
TURNS = (False, True, True, False)
STATIC = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
KINDS = (
    b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Never-",
    b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{",
    f"GET {STATIC} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
)
GOAL_MS = 50.0


def be_slow(port: int, count: int) -> None:
    """Keep this many slow connections until the process is ended."""
    poll = select.epoll()
    peers: dict[int, tuple[socket.socket, int]] = {}

    def begin(kind: int) -> None:
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", port))
        peer.sendall(KINDS[kind])
        peers[peer.fileno()] = peer, kind
        poll.register(peer, select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR)

    for number in range(count):
        begin(number % len(KINDS))
    print("slow", flush=True)
    while True:
        for number, _ in poll.poll():
            poll.unregister(number)
            peer, kind = peers.pop(number)
            peer.close()
            begin(kind)


@contextmanager
def slow_peers(port: int, count: int) -> Iterator[None]:
    """Run this many slow peers until the block ends."""
    command = [sys.executable, "-m", "benchmarks.slow_peers", str(port), str(count)]
    with subprocess.Popen(
        command, cwd=processes.BASE_DIR, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "slow\n"
        time.sleep(SETTLE_SECONDS if count else 0)
        try:
            yield
        finally:
            process.kill()


def measure_latencies(url: str, user: User) -> list[float]:
    """Return the milliseconds of each request of one client, one after the other."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    took = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        connection.request("GET", "/credits", headers={"Authorization": f"Bearer {user.token}"})
        response = connection.getresponse()
        response.read()
        took.append((time.perf_counter() - began) * 1000)
        if response.status != http.client.OK:
            raise RuntimeError(f"a request was answered with {response.status}")
    return took


def measure(values: Mapping[str, str], user: User) -> dict[bool, list[float]]:
    """Measure requests with slow peers and without, in turn."""
    results: dict[bool, list[float]] = {False: [], True: []}
    port = int(values["API_PORT"])
    for slow in TURNS:
        with slow_peers(port, PEERS if slow else 0):
            results[slow] += measure_latencies(values["PUBLIC_URL"], user)
    return results


def main() -> None:
    with stack.run_stores() as (var, values):
        settings = stack.settings(
            values,
            RATE_LIMIT="1000000/minute",
            MAX_CONNECTIONS_PER_ADDRESS="2000",
            LOG_LEVEL="WARNING",
        )
        with stack.run_processes(stack.list_programs(settings, ("migrate", "api")), var):
            (user,) = stack.make_users(settings, users=1, credits=1)
            measure_latencies(values["PUBLIC_URL"], user)
            results = measure(values, user)
    p50 = {slow: statistics.median(took) for slow, took in results.items()}
    p99 = {slow: statistics.quantiles(took, n=100)[-1] for slow, took in results.items()}
    report.show(
        benchmark="slow_peers",
        title=f"Milliseconds of a GET, {os.cpu_count()} cores shared by all",
        columns=("while", "p50", "p99", "most"),
        rows=[
            ("nobody else is there", p50[False], p99[False], max(results[False])),
            (f"{PEERS} peers are slow", p50[True], p99[True], max(results[True])),
        ],
        ours=p99[True],
        baselines={"nobody": p99[False]},
        less_is_better=True,
        added_p99_ms=round(p99[True] - p99[False], 1),
        goal_ms=GOAL_MS,
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        be_slow(int(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
