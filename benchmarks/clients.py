"""Request servers by clients that use little CPU: one connection each, requests as bytes."""

import math
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from auteur.devstack import ports, processes
from auteur.devstack.process import Process

RECEIVED_BYTES = 65536
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

Requests = Iterable[bytes]
"""The endless requests of one client."""


def start_server(name: str, settings: Mapping[str, str]) -> tuple[str, Process]:
    """Serve the application of ``benchmarks.<name>`` like ours; return its address and process."""
    (port,) = ports.find_free_ports(1)
    (api,) = (program for program in processes.PROGRAMS if program.name == "api")
    command = api.command.replace("auteur.wsgi", f"benchmarks.{name}").partition(" --metrics")[0]
    program = processes.Program(name, command)
    line = processes.build_command(program, {**settings, "API_PORT": str(port)})
    process = Process(
        name=name,
        command=line,
        ready=partial(_listens, port),
        environment=settings,
        directory=processes.BASE_DIR,
    )
    return f"http://{ports.HOST}:{port}", process


def _listens(port: int) -> bool:
    connection = HTTPConnection(ports.HOST, port, timeout=1)
    try:
        connection.request("GET", "/")
        return bool(connection.getresponse().status)
    except OSError:
        return False
    finally:
        connection.close()


def build_request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return the bytes of an HTTP request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if body:
        headers = {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Client:
    """A client with one connection."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, sent: bytes, expected: int) -> None:
        """Send a request and read the whole answer; raise ``RuntimeError`` for another status."""
        self._socket.sendall(sent)
        got = b""
        while not _is_whole(got):
            more = self._socket.recv(RECEIVED_BYTES)
            if not more:
                raise RuntimeError(f"the server closed the connection after {got!r}")
            got += more
        if got[9:12] != b"%d" % expected:
            raise RuntimeError(f"the server answered {got!r}")


def _is_whole(got: bytes) -> bool:
    head, end, body = got.partition(b"\r\n\r\n")
    if not end:
        return False
    length = _LENGTH.search(head)
    if length is None:
        raise RuntimeError(f"the answer has no Content-Length: {head!r}")
    return len(body) >= int(length[1])


def measure_rate(url: str, requests: Sequence[Requests], *, seconds: float, expected: int) -> float:
    """Return answers per second of clients that each send requests as fast as possible."""
    end = time.perf_counter() + seconds

    def run(sent: Requests) -> int:
        client = Client(url)
        for count, request_bytes in enumerate(sent):
            if time.perf_counter() >= end:
                return count
            client.ask(request_bytes, expected)
        raise AssertionError

    with ThreadPoolExecutor(len(requests)) as threads:
        return sum(threads.map(run, requests)) / seconds


def measure_latencies(
    url: str, requests: Sequence[Requests], *, per_second: float, seconds: float, expected: int
) -> list[float]:
    """Return the sorted seconds from the due time of each request to its answer.

    ``per_second`` requests are due in each second.
    """
    begin, apart = time.perf_counter(), 1 / per_second

    def due(number: int) -> Iterator[float]:
        for turn in range(number, math.ceil(per_second * seconds), len(requests)):
            yield begin + turn * apart

    def run(number: int) -> list[float]:
        client, took = Client(url), []
        for at, sent in zip(due(number), requests[number], strict=False):
            time.sleep(max(0.0, at - time.perf_counter()))
            client.ask(sent, expected)
            took.append(time.perf_counter() - at)
        return took

    with ThreadPoolExecutor(len(requests)) as threads:
        runs = threads.map(run, range(len(requests)))
        return sorted(took for run_latencies in runs for took in run_latencies)


def read_cpu_seconds(url: str) -> float:
    """Return the processor time so far of the processes that serve this address."""
    address = urlsplit(url).netloc.encode()
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if address in (folder / "cmdline").read_bytes().split(b"\0"):
                total += sum(_iterate_thread_seconds(folder))
        except OSError:
            continue  # it has ended
    return total


def _iterate_thread_seconds(folder: Path) -> Iterator[float]:
    for thread in (folder / "task").iterdir():
        yield int((thread / "schedstat").read_text().split()[0]) / 1e9
