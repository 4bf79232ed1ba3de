"""Measure jobs per second of the whole stack, beside a bare Celery chain and textbook code.

Ours: HTTP submission to `completed`, with PostgreSQL, Redis, tokens, throttle, idempotency keys,
ledger and events in the path. The engine does nothing and reports each job by a signed HTTP
callback. All processes, including the clients, share the cores of this machine. The rate limit is
raised. The baselines are published in process, without HTTP.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import psycopg
import redis

from auteur.devstack import environment, processes
from auteur.devstack.process import Process
from benchmarks import report, stack

JOBS = int(os.environ.get("BENCHMARK_JOBS", "1000"))
WARM_UP_JOBS = 50
USERS = 20
WORKERS = 2


def measure_ours(
    var: Path, values: Mapping[str, str], *, batch: int, events: bool
) -> tuple[float, float]:
    """Return the jobs per second and the median seconds from submission to `completed`."""
    settings = stack.settings(
        values,
        RATE_LIMIT="1000000/minute",
        MAX_IDS_PER_MESSAGE=str(batch),
        WORKER_EVENTS=str(events),
        WORKER_CONCURRENCY=str(WORKERS),
        CPU_LIMIT="1000000",
        LOG_LEVEL="WARNING",
    )
    with stack.run_processes(
        [*stack.list_programs(settings), stack.build_process("echo", settings)], var
    ):
        users = stack.make_users(settings, users=USERS, credits=WARM_UP_JOBS + JOBS)
        with psycopg.connect(values["DATABASE_URL"], autocommit=True) as database:
            _run(database, values["PUBLIC_URL"], users, WARM_UP_JOBS)
            seconds = _run(database, values["PUBLIC_URL"], users, JOBS)
            took = database.execute(
                "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY completed_at - created_at)"
                " FROM (SELECT * FROM jobs ORDER BY created_at DESC LIMIT %s) AS latest",
                [JOBS],
            ).fetchone()
    assert took is not None
    return JOBS / seconds, took[0].total_seconds()


def _run(database: psycopg.Connection, url: str, users: list[stack.User], jobs: int) -> float:
    before = stack.count_completed(database)
    started = time.perf_counter()
    stack.submit(url, users, "/jobs/noop", [{}] * jobs)
    stack.wait_until(lambda: stack.count_completed(database) - before >= jobs)
    return time.perf_counter() - started


def _worker(app: str, settings: Mapping[str, str]) -> Process:
    command = [sys.executable, "-m", "celery", "--app", app, "worker"]
    command += ["--concurrency", str(WORKERS), "--loglevel", "WARNING", "--without-gossip"]
    return Process(
        name=app.rsplit(".", 1)[-1],
        command=tuple(command),
        environment=settings,
        directory=processes.BASE_DIR,
    )


def measure_baseline(var: Path, values: Mapping[str, str], name: str) -> float:
    """Return the jobs per second of a baseline module, which runs in a new process."""
    own = {
        "BENCHMARK_BROKER": values["REDIS_URL"],
        "DATABASE_URL": values["MIGRATION_DATABASE_URL"],  # the textbook makes its tables
        "LOG_LEVEL": "WARNING",
    }
    settings = environment.build_child_environment({**values, **own}, os.environ)
    with stack.run_processes([_worker(f"benchmarks.{name}", settings)], var):
        time.sleep(3)  # the worker has no health check of its own
        command = [sys.executable, "-m", "benchmarks.lifecycle", name]
        done = subprocess.run(
            command,
            cwd=processes.BASE_DIR,
            env=settings,
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout.split()[-1])


def run_bare() -> float:
    """Publish the chains and wait for the last step of each; return the rate."""
    from benchmarks import bare

    counter = redis.Redis.from_url(os.environ["BENCHMARK_BROKER"])

    def run(jobs: int) -> float:
        counter.delete(bare.DONE)
        started = time.perf_counter()
        for number in range(jobs):
            bare.submit(number)
        stack.wait_until(lambda: int(counter.get(bare.DONE) or 0) >= jobs)
        return time.perf_counter() - started

    run(WARM_UP_JOBS)
    return JOBS / run(JOBS)


def run_textbook() -> float:
    """Submit jobs and wait until all are saved as completed; return the rate."""
    from benchmarks import textbook

    account_id = textbook.make_tables()
    started = time.perf_counter()
    for _ in range(JOBS):
        textbook.submit(account_id)
    stack.wait_until(lambda: textbook.count_completed() >= JOBS)
    return JOBS / (time.perf_counter() - started)


def main() -> None:
    with ExitStack() as exits:
        var, values = exits.enter_context(stack.run_stores())
        batched = [measure_ours(var, values, batch=50, events=False) for _ in range(2)]
        single, single_p50 = measure_ours(var, values, batch=1, events=False)
        watched, watched_p50 = measure_ours(var, values, batch=50, events=True)
        bare = measure_baseline(var, values, "bare")
        textbook = measure_baseline(var, values, "textbook")
    rate = statistics.mean(run[0] for run in batched)
    p50 = statistics.mean(run[1] for run in batched)
    report.show(
        benchmark="lifecycle",
        title=f"Jobs per second, {JOBS} jobs, {os.cpu_count()} cores shared by all",
        columns=("way", "jobs/s", "p50 s under this load"),
        rows=[
            ("ours, up to 50 ids a message", rate, p50),
            ("ours, one id a message", single, single_p50),
            ("ours, with worker events", watched, watched_p50),
            ("bare Celery chain of 4 no-op steps", bare, ""),
            ("textbook: ORM get/save, .delay(), result backend", textbook, ""),
        ],
        ours=rate,
        baselines={"bare": bare, "textbook": textbook},
        batch_of_one=round(single, 1),
        with_events=round(watched, 1),
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print({"bare": run_bare, "textbook": run_textbook}[sys.argv[1]]())
    else:
        main()
