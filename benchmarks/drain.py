"""Measure how fast jobs that were submitted during an outage of Redis are completed after it.

Redis is killed under the running stack, the jobs are submitted by `POST /jobs/batch`, and some
seconds later Redis starts again with the contents of its log. The clock of the outage runs from
this start to the last completed job, so it includes all repairs. The steady rate, half of it
measured before and half after the outage, is that of jobs submitted in the same way without an
outage; its clock starts with the first submission. Every job must complete, and the ledger must add
up.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGKILL
from typing import Any
from urllib.parse import urlsplit

import psycopg

from auteur.devstack import services
from auteur.devstack.process import Process
from benchmarks import report, stack

JOBS = int(os.environ.get("BENCHMARK_DRAIN_JOBS", "10000"))
AWAY_SECONDS = float(os.environ.get("BENCHMARK_DRAIN_AWAY_SECONDS", "10"))
BATCH = 100
USERS = 20
WORKERS = 2
TIMEOUT_SECONDS = 1800.0


@dataclass(frozen=True)
class Bench:
    """The stack that all phases use."""

    url: str
    users: list[stack.User]
    database: psycopg.Connection

    def submit(self, jobs: int) -> None:
        sizes = [min(BATCH, jobs - start) for start in range(0, jobs, BATCH)]
        bodies = [{"jobs": [{"type": "noop"}] * size} for size in sizes]
        stack.submit(self.url, self.users, "/jobs/batch", bodies)

    def wait_for(self, completed: int) -> None:
        stack.wait_until(
            lambda: stack.count_completed(self.database) >= completed, seconds=TIMEOUT_SECONDS
        )

    def steady(self, jobs: int) -> float:
        """Return the seconds from the first submission to the last completed job."""
        before = stack.count_completed(self.database)
        started = time.perf_counter()
        self.submit(jobs)
        self.wait_for(before + jobs)
        return time.perf_counter() - started


def build_killable_redis(var: Path, values: Mapping[str, str]) -> Process:
    """Return the Redis process with SIGKILL as its stop signal."""
    address = urlsplit(values["REDIS_URL"])
    assert address.port is not None
    server = services.build_redis(var / "redis", address.port, values["REDIS_PASSWORD"])
    return replace(server, stop_signal=SIGKILL)


def measure(var: Path, values: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the seconds of each phase, and the result of the final ledger audit."""
    redis = build_killable_redis(var, values)
    ours = [*stack.list_programs(settings), stack.build_process("echo", settings)]
    half = JOBS // 2
    with ExitStack() as broker, ExitStack() as exits:
        broker.enter_context(stack.run_processes([redis], var))
        exits.enter_context(stack.run_processes(ours, var))
        users = stack.make_users(settings, users=USERS, credits=2 * JOBS)
        database = exits.enter_context(psycopg.connect(values["DATABASE_URL"], autocommit=True))
        bench = Bench(values["PUBLIC_URL"], users, database)
        steady = bench.steady(half)
        broker.close()
        away = time.perf_counter()
        bench.submit(JOBS)
        time.sleep(max(0.0, away + AWAY_SECONDS - time.perf_counter()))
        done_before = stack.count_completed(database)
        returned = time.perf_counter()
        broker.enter_context(stack.run_processes([redis], var))
        bench.wait_for(half + JOBS)
        drained = time.perf_counter()
        steady += bench.steady(JOBS - half)
        return {
            "steady_rate": JOBS / steady,
            "outage_seconds": returned - away,
            "drained_rate": (half + JOBS - done_before) / (drained - returned),
            "finished": stack.count_completed(database),
            "books": json.loads(stack.run_manage(settings, "ledger_verify", "--json")),
        }


def main() -> None:
    with stack.run_stores(without=("redis",)) as (var, values):
        settings = stack.settings(
            values,
            RATE_LIMIT="1000000/minute",
            WORKER_CONCURRENCY=str(WORKERS),
            CPU_LIMIT="1000000",
            LOG_LEVEL="WARNING",
        )
        results = measure(var, values, settings)
    lost = 2 * JOBS - results["finished"]
    report.show(
        benchmark="drain",
        title=f"{JOBS} jobs, {os.cpu_count()} cores shared by all processes",
        columns=("what", "figure"),
        rows=[
            ("jobs/s completed after the outage of Redis", results["drained_rate"]),
            ("jobs/s without an outage", results["steady_rate"]),
            ("seconds of the outage", results["outage_seconds"]),
            ("jobs lost", lost),
            ("findings of the ledger audit", sum(results["books"]["broken"].values())),
        ],
        ours=results["drained_rate"],
        baselines={"steady": results["steady_rate"]},
        jobs=JOBS,
        lost=lost,
        books_ok=results["books"]["ok"],
        outage_seconds=round(results["outage_seconds"], 1),
        goal=1.0,
    )


if __name__ == "__main__":
    main()
