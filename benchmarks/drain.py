"""Jobs submitted while Redis is away, drained once it is back, beside the same in quiet times.

Redis is killed under the running stack, the jobs are submitted by `POST /jobs/batch`, and after
some seconds, in which the orchestrator tries in vain, Redis comes back with what its log kept. The
drain's clock runs from Redis being started to the last job completed: all that went wrong meanwhile
is for the stack to mend in that time. The steady rate, one half measured before and one after, is
that of jobs submitted in the same way while all is well, its clock starting with the first
submission. Every job must complete, and the books must add up.
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
    """What all phases need."""

    url: str
    users: list[stack.User]
    database: psycopg.Connection

    def submit(self, jobs: int) -> None:
        sizes = [min(BATCH, jobs - start) for start in range(0, jobs, BATCH)]
        bodies = [{"jobs": [{"type": "noop"}] * size} for size in sizes]
        stack.submit(self.url, self.users, "/jobs/batch", bodies)

    def wait_for(self, completed: int) -> None:
        stack.wait(lambda: stack.completed(self.database) >= completed, seconds=TIMEOUT_SECONDS)

    def steady(self, jobs: int) -> float:
        """Seconds from the first submission to the last job completed."""
        before = stack.completed(self.database)
        started = time.perf_counter()
        self.submit(jobs)
        self.wait_for(before + jobs)
        return time.perf_counter() - started


def mortal_redis(var: Path, values: Mapping[str, str]) -> Process:
    """Redis that is stopped by SIGKILL."""
    address = urlsplit(values["REDIS_URL"])
    assert address.port is not None
    server = services.build_redis(var / "redis", address.port, values["REDIS_PASSWORD"])
    return replace(server, stop_signal=SIGKILL)


def measure(var: Path, values: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, Any]:
    """The seconds of each phase, and the books at the end."""
    redis = mortal_redis(var, values)
    ours = [*stack.programs(settings), stack.module("echo", settings)]
    half = JOBS // 2
    with ExitStack() as broker, ExitStack() as exits:
        broker.enter_context(stack.running([redis], var))
        exits.enter_context(stack.running(ours, var))
        users = stack.make_users(settings, users=USERS, credits=2 * JOBS)
        database = exits.enter_context(psycopg.connect(values["DATABASE_URL"], autocommit=True))
        bench = Bench(values["PUBLIC_URL"], users, database)
        steady = bench.steady(half)
        broker.close()
        away = time.perf_counter()
        bench.submit(JOBS)
        time.sleep(max(0.0, away + AWAY_SECONDS - time.perf_counter()))
        done_before = stack.completed(database)
        returned = time.perf_counter()
        broker.enter_context(stack.running([redis], var))
        bench.wait_for(half + JOBS)
        drained = time.perf_counter()
        steady += bench.steady(JOBS - half)
        return {
            "steady_rate": JOBS / steady,
            "outage_seconds": returned - away,
            "drained_rate": (half + JOBS - done_before) / (drained - returned),
            "finished": stack.completed(database),
            "books": json.loads(stack.manage(settings, "ledger_verify", "--json")),
        }


def main() -> None:
    with stack.stores(without=("redis",)) as (var, values):
        settings = stack.settings(
            values,
            RATE_LIMIT="1000000/minute",
            WORKER_CONCURRENCY=str(WORKERS),
            CPU_LIMIT="1000000",
            LOG_LEVEL="WARNING",
        )
        found = measure(var, values, settings)
    lost = 2 * JOBS - found["finished"]
    report.show(
        benchmark="drain",
        title=f"{JOBS} jobs, {os.cpu_count()} cores shared by all",
        columns=("what", "figure"),
        rows=[
            ("jobs/s drained after Redis was away", found["drained_rate"]),
            ("jobs/s while all is well", found["steady_rate"]),
            ("seconds that Redis was away", found["outage_seconds"]),
            ("jobs lost", lost),
            ("findings in the books", sum(found["books"]["broken"].values())),
        ],
        ours=found["drained_rate"],
        baselines={"steady": found["steady_rate"]},
        jobs=JOBS,
        lost=lost,
        books_ok=found["books"]["ok"],
        outage_seconds=round(found["outage_seconds"], 1),
        goal=1.0,
    )


if __name__ == "__main__":
    main()
