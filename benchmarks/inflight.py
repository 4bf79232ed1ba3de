"""Measure the cost of ten thousand calls in flight, and how soon their ends are noticed.

The unmodified client talks to the stand-in for Modal (`tests/modal_peer`) over gRPC. Calls end
minutes after they were started: in one run with a signed callback, in another without, so that only
polling notices it. The class limits are raised. While all calls are in flight, the processor share
and memory of the orchestrator are measured, and whether a call occupies a worker. An end is noticed
when its attempt says so in PostgreSQL. The baselines are our own limits.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from auteur.devstack import processes
from auteur.devstack.child import Child
from benchmarks import report, stack
from benchmarks.recovery import compute_percentile
from jobs.calls.backends.modal import JITTER, POLL_SECONDS
from jobs.states import literals
from tests.modal_peer.book import Book
from tests.modal_peer.scenario import Scenario, Script
from tests.modal_peer.serving import Peer

CALLS = int(os.environ.get("BENCHMARK_CALLS", "10000"))
CALL_SECONDS = float(os.environ.get("BENCHMARK_CALL_SECONDS", "180"))
"""The duration of a call: longer than starting all calls takes."""
SPREAD_SECONDS = 180.0
"""The time over which the ends are spread: about sixty calls end per second."""
WINDOW_SECONDS = 30.0
BATCH = 100
USERS = 20
MOST_CORES = 1.0
MOST_MB = 600.0
MOST_SECONDS_WITH_CALLBACK = 2.0
MOST_SECONDS_WITHOUT = POLL_SECONDS * (1 + JITTER)
TIMEOUT_SECONDS = 1800.0
ANY_TOKEN = {"MODAL_TOKEN_ID": "ak-benchmark", "MODAL_TOKEN_SECRET": "as-benchmark"}
IN_FLIGHT = "SELECT count(*) FROM job_attempts WHERE state = {RUNNING}".format_map(literals())
CLAIMED_ATTEMPTS = "SELECT count(*) FROM job_attempts WHERE state IN {CLAIMED}".format_map(
    literals()
)


@dataclass(frozen=True)
class Result:
    """The figures of one run."""

    cores: float
    megabytes: float
    slots_held: int
    seen_after: Sequence[float]


@contextmanager
def modal_peer(scenario: Scenario, seconds: float, spread: float = 0.0) -> Iterator[Peer]:
    """Run the stand-in in a thread of this process, so that its records can be read."""
    book = Book(script=Script({scenario: 1.0}), slow_seconds=seconds, spread_seconds=spread)
    peer = Peer(book)
    peer.start()
    try:
        yield peer
    finally:
        peer.stop()


def modal_settings(values: Mapping[str, str], peer: Peer, **changed: str) -> dict[str, str]:
    """Return the environment of our processes, with calls at the stand-in."""
    return stack.settings(
        values,
        INFERENCE_BACKEND="modal",
        MODAL_SERVER_URL=peer.url,
        **ANY_TOKEN,
        RATE_LIMIT="1000000/minute",
        LOG_LEVEL="WARNING",
        **changed,
    )


def measure(var: Path, values: Mapping[str, str], scenario: Scenario) -> Result:
    """Submit jobs, wait until all calls are in flight, measure, and wait for their ends."""
    with ExitStack() as exits:
        peer = exits.enter_context(modal_peer(scenario, CALL_SECONDS, SPREAD_SECONDS))
        settings = modal_settings(values, peer, CPU_LIMIT="1000000")
        supervisor = exits.enter_context(stack.run_processes(stack.list_programs(settings), var))
        (orchestrator,) = (child for child in supervisor.children if child.name == "orchestrator")
        users = stack.make_users(settings, users=USERS, credits=CALLS)
        database = exits.enter_context(psycopg.connect(values["DATABASE_URL"], autocommit=True))
        before = stack.count_completed(database)
        bodies = [{"jobs": [{"type": "noop"}] * BATCH}] * (CALLS // BATCH)
        stack.submit(values["PUBLIC_URL"], users, "/jobs/batch", bodies)
        stack.wait_until(lambda: _count(database, IN_FLIGHT) >= CALLS, seconds=CALL_SECONDS)
        cores, megabytes = _watch(orchestrator)
        busy_slots = _count(database, CLAIMED_ATTEMPTS) + _active_tasks(settings)
        if _count(database, IN_FLIGHT) < CALLS:
            raise RuntimeError("calls ended while we looked: raise BENCHMARK_CALL_SECONDS")
        stack.wait_until(
            lambda: stack.count_completed(database) - before >= CALLS,
            seconds=TIMEOUT_SECONDS,
            interval=1,
        )
        return Result(cores, megabytes, busy_slots, _seen_after(database, peer))


def _count(database: psycopg.Connection, query: str) -> int:
    row = database.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def _watch(orchestrator: Child) -> tuple[float, float]:
    """Return the cores and resident megabytes that the process uses in the window."""
    process = psutil.Process(orchestrator.pid)
    used = sum(process.cpu_times()[:2])
    time.sleep(WINDOW_SECONDS)
    cores = (sum(process.cpu_times()[:2]) - used) / WINDOW_SECONDS
    return cores, process.memory_info().rss / 1e6


def _active_tasks(settings: Mapping[str, str]) -> int:
    """Return the number of tasks that Celery's workers run."""
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "auteur", "inspect", "active", "--json"],
        cwd=processes.BASE_DIR,
        env=dict(settings),
        capture_output=True,
        text=True,
        check=True,
    )
    return sum(map(len, json.loads(done.stdout).values()))


def _seen_after(database: psycopg.Connection, peer: Peer) -> list[float]:
    """Return the seconds from the end of each call until it is noticed."""
    wall = time.time() - time.monotonic()
    rows = database.execute(
        "SELECT call_id, extract(epoch FROM reported_at)::float FROM job_attempts"
        " WHERE call_id = ANY(%s)",
        [list(peer.book.calls)],
    ).fetchall()
    return [seen_at - (peer.book.calls[call_id].ends_at + wall) for call_id, seen_at in rows]


def main() -> None:
    with stack.run_stores() as (var, values):
        reported = measure(var, values, Scenario.REPORT)
        silent = measure(var, values, Scenario.SLOW)
    p99, p99_silent = (compute_percentile(result.seen_after, 0.99) for result in (reported, silent))
    ways = (
        ("with callbacks", reported, MOST_SECONDS_WITH_CALLBACK),
        ("without", silent, MOST_SECONDS_WITHOUT),
    )
    report.show(
        benchmark="inflight",
        title=f"{CALLS} calls in flight, {os.cpu_count()} cores shared by all; "
        f"limits: {MOST_CORES} core, {MOST_MB:.0f} MB",
        columns=(
            "way",
            "cores",
            "MB",
            "worker slots held",
            "end seen after: p50",
            "p99 s",
            "limit",
        ),
        rows=[
            (
                name,
                f"{way.cores:.2f}",
                way.megabytes,
                way.slots_held,
                f"{statistics.median(way.seen_after):.2f}",
                f"{compute_percentile(way.seen_after, 0.99):.2f}",
                limit,
            )
            for name, way, limit in ways
        ],
        ours=p99,
        baselines={"limit": MOST_SECONDS_WITH_CALLBACK},
        less_is_better=True,
        calls=CALLS,
        ratio_is="limit / p99 seconds until an end with callback is seen",
        ratio_without_callbacks=round(MOST_SECONDS_WITHOUT / p99_silent, 2),
        ratio_cores=round(MOST_CORES / max(reported.cores, silent.cores), 2),
        ratio_memory=round(MOST_MB / max(reported.megabytes, silent.megabytes), 2),
        slots_held=reported.slots_held + silent.slots_held,
    )


if __name__ == "__main__":
    main()
