"""Measure the delay of 500 events per second at ten thousand WebSockets, and the memory used.

Events are written into the outbox; a real orchestrator numbers them and wakes `live` through Redis.
The delay of an event is the time from its row, which is committed at once, until the client reads
it. The clients are a separate process; all processes share the cores of this machine. Only the
total limits of `live` apply to requests and connections. The baselines are our own limits.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, cast

import psutil
import psycopg

from auteur.devstack import processes
from benchmarks import report, stack
from benchmarks.recovery import compute_percentile
from jobs.states import JobStatus

SOCKETS = int(os.environ.get("BENCHMARK_SOCKETS", "10000"))
SOCKETS_PER_USER = 2
EVENTS_A_SECOND = 500
SECONDS = float(os.environ.get("BENCHMARK_SECONDS", "30"))
SETTLE_SECONDS = 3.0
TICK_SECONDS = 0.02
MOST_MS = 250.0
MOST_MB = 600.0
RUNS_HERE = ("migrate", "live", "orchestrator")
MAKE = """
import datetime
import uuid
from accounts import tokens
from accounts.models import User
users = [User(id=uuid.uuid4(), email=f"{{uuid.uuid4()}}@example.com") for _ in range({users})]
User.objects.bulk_create(users)
for user in users:
    lifetime = datetime.timedelta(hours=1)
    print(user.pk, tokens.issue_token(user_id=user.pk, email=user.email, lifetime=lifetime))
"""
MAKE_JOBS = """
INSERT INTO jobs (user_id, type, gpu_class, status, credits_cost, price_version, media_ids,
                  start_deadline_at, wake_at)
SELECT id, 'transcription', 'none', %s, 0, 'benchmark', '{}',
       now() + interval '1 hour', now() + interval '1 hour'
FROM users RETURNING id, user_id
"""
WRITE = """
INSERT INTO job_events (job_id, user_id, type, data, created_at)
SELECT job_id, user_id, 'started', '{}', statement_timestamp()
FROM unnest(%s::uuid[], %s::uuid[]) AS chosen (job_id, user_id)
"""


def make_users(settings: dict[str, str]) -> list[str]:
    """Create users, half as many as there are sockets; return a token of each."""
    script = MAKE.format(users=SOCKETS // SOCKETS_PER_USER)
    lines = stack.run_manage(settings, "shell", "-v", "0", "-c", script).splitlines()
    return [line.split()[1] for line in lines]


@contextmanager
def start_listeners(port: str, tokens: Sequence[str], var: Path) -> Iterator["Listeners"]:
    """Open all sockets until the block ends."""
    file = var / "tokens"
    file.write_text("\n".join(tokens))
    command = [sys.executable, "-m", "benchmarks.listeners", port, str(file)]
    with subprocess.Popen(
        command,
        cwd=processes.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        try:
            listeners = Listeners(process)
            if listeners.read() != "open":
                raise RuntimeError("not all sockets opened")
            yield listeners
        finally:
            process.kill()


class Listeners:
    """The process of the clients."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def late(self) -> list[float]:
        """Return the delays in seconds of all events since the last call."""
        cast(IO[str], self._process.stdin).write("\n")
        return [float(seconds) for seconds in json.loads(self.read())]

    def read(self) -> str:
        return cast(IO[str], self._process.stdout).readline().strip()


def write(database: psycopg.Connection, jobs: Sequence[tuple[uuid.UUID, uuid.UUID]]) -> int:
    """Write events evenly over the time; return their number."""
    written, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < SECONDS:
        due = int(passed * EVENTS_A_SECOND) - written
        chosen = [jobs[(written + number) % len(jobs)] for number in range(due)]
        if chosen:
            database.execute(WRITE, list(map(list, zip(*chosen, strict=True))))
        written += len(chosen)
        time.sleep(TICK_SECONDS)
    return written


def measure(var: Path, values: dict[str, str]) -> dict[str, Any]:
    """Open all sockets, write events, and measure the delays and the memory."""
    with ExitStack() as exits:
        settings = stack.settings(
            values,
            RATE_LIMIT="1000000/minute",
            MAX_CONNECTIONS_PER_ADDRESS="1000000",
            LOG_LEVEL="WARNING",
        )
        programs = stack.list_programs(settings, RUNS_HERE)
        supervisor = exits.enter_context(stack.run_processes(programs, var))
        (live,) = (child for child in supervisor.children if child.name == "live")
        process = psutil.Process(live.pid)
        empty = process.memory_info().rss
        tokens = make_users(settings) * SOCKETS_PER_USER
        database = exits.enter_context(psycopg.connect(values["DATABASE_URL"], autocommit=True))
        jobs = database.execute(MAKE_JOBS, [JobStatus.PENDING.value]).fetchall()
        began = time.monotonic()
        listeners = exits.enter_context(start_listeners(values["LIVE_PORT"], tokens, var))
        opened = time.monotonic() - began
        time.sleep(SETTLE_SECONDS)
        used = sum(process.cpu_times()[:2])
        written = write(database, jobs)
        cores = (sum(process.cpu_times()[:2]) - used) / SECONDS
        time.sleep(SETTLE_SECONDS)
        late = [1000 * seconds for seconds in listeners.late()]
        if len(late) != written * SOCKETS_PER_USER:
            raise RuntimeError(f"{written} events were written, {len(late)} came")
        return {
            "late": late,
            "opened": opened,
            "cores": cores,
            "megabytes": process.memory_info().rss / 1e6,
            "kilobytes_each": (process.memory_info().rss - empty) / 1e3 / SOCKETS,
        }


def main() -> None:
    with stack.run_stores(without=("mongodb",)) as (var, values):
        results = measure(var, values)
    p50, p99 = statistics.median(results["late"]), compute_percentile(results["late"], 0.99)
    report.show(
        benchmark="live",
        title=f"{SOCKETS} WebSockets, {EVENTS_A_SECOND} events a second, "
        f"{os.cpu_count()} cores shared by all; limits: {MOST_MS:.0f} ms, {MOST_MB:.0f} MB",
        columns=(
            "event late by: p50 ms",
            "p99 ms",
            "most ms",
            "MB",
            "KB each",
            "cores",
            "opened s",
        ),
        rows=[
            (
                p50,
                p99,
                max(results["late"]),
                results["megabytes"],
                results["kilobytes_each"],
                f"{results['cores']:.2f}",
                results["opened"],
            )
        ],
        ours=p99,
        baselines={"limit": MOST_MS},
        less_is_better=True,
        sockets=SOCKETS,
        ratio_is="limit / p99 milliseconds from commit to client",
        ratio_memory=round(MOST_MB / results["megabytes"], 2),
        megabytes=round(results["megabytes"]),
    )


if __name__ == "__main__":
    main()
