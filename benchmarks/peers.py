"""Measure jobs per second of Auteur and of other task queues, in turn, on the same stores.

Ours as in `benchmarks.lifecycle`: over HTTP, with tokens, credits, ledger and events, and a
callback for each job. The others: chains of three steps that do nothing (Celery: four), published
in process to workers of two processes. Queues in Redis can lose its last second of messages. `make
bench-peers` installs them in a separate environment.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from auteur.devstack import environment, processes
from auteur.devstack.process import Process
from benchmarks import lifecycle, report, stack

BIN = Path(os.environ.get("PEERS_ENVIRONMENT", processes.BASE_DIR / "var" / "peers")) / "bin"
WORKERS = 2
PACKAGE = "benchmarks.contenders"
START_SECONDS = 3.0  # workers have no health check of their own


@dataclass(frozen=True)
class Contender:
    """Another queue: its module, its title, and the command that starts a worker."""

    module: str
    title: str
    command: str
    is_one: bool = True
    """True if the command starts both processes."""
    has_tables: bool = False


CONTENDERS = (
    Contender(
        "dramatiq_pipeline",
        "Dramatiq, pipeline of 3",
        "dramatiq {module} --processes 2 --skip-logging",
    ),
    Contender(
        "huey_pipeline", "Huey, pipeline of 3", "huey_consumer {module}.huey -q -k process -w 2"
    ),
    Contender(
        "rq_dependents",
        "RQ, 3 dependent jobs, without forks",
        "rq worker benchmark-rq --quiet --worker-class rq.SimpleWorker --url {broker}",
        is_one=False,
    ),
    Contender(
        "taskiq_pipeline",
        "Taskiq, pipeline of 3",
        "taskiq worker {module}:broker --workers 2 --log-level ERROR",
    ),
    Contender(
        "procrastinate_chain",
        "Procrastinate, 3 tasks in turn",
        "procrastinate --app {module}.app worker --concurrency 10",
        is_one=False,
        has_tables=True,
    ),
    Contender(
        "skip_locked",
        "a table read by SKIP LOCKED, 3 messages in turn",
        "python -m {module}",
        is_one=False,
        has_tables=True,
    ),
)
# What others tell of themselves, on machines of theirs: no ratio can be made of it.
PUBLISHED = {
    "Hatchet 0.55 on a PostgreSQL of 8 cores": (
        "2,000 runs/s",
        "https://docs.hatchet.run/self-hosting/benchmarking",
    ),
    "Temporal Cloud, limit of a namespace by default": (
        "500 actions/s",
        "https://docs.temporal.io/cloud/limits",
    ),
    "Temporal Cloud, start of a workflow, p50 and p99": (
        "14 ms, 69 ms",
        "https://docs.temporal.io/cloud/service-availability",
    ),
}


def measure_contender(var: Path, values: Mapping[str, str], contender: Contender) -> float:
    """Return the jobs per second of a contender."""
    own = {
        "BENCHMARK_BROKER": values["REDIS_URL"],
        "BENCHMARK_DATABASE": values["MIGRATION_DATABASE_URL"],  # some make tables
        "BENCHMARK_JOBS": str(lifecycle.JOBS),
        "PYTHONPATH": str(processes.BASE_DIR),
    }
    settings = environment.build_child_environment({**values, **own}, os.environ)
    if contender.has_tables:
        _drive(settings, contender.module, "prepare")
    with stack.run_processes(_workers(contender, settings), var):
        time.sleep(START_SECONDS)
        return float(_drive(settings, contender.module).split()[-1])


def _workers(contender: Contender, settings: Mapping[str, str]) -> list[Process]:
    names = {"module": f"{PACKAGE}.{contender.module}", "broker": settings["BENCHMARK_BROKER"]}
    program, *arguments = contender.command.format_map(names).split()
    return [
        Process(
            name=f"{contender.module}-{number}",
            command=(str(BIN / program), *arguments),
            environment=settings,
            directory=processes.BASE_DIR,
        )
        for number in range(1 if contender.is_one else WORKERS)
    ]


def _drive(settings: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [str(BIN / "python"), "-m", f"{PACKAGE}.drive", *arguments],
        cwd=processes.BASE_DIR,
        env=dict(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{arguments[0]}: {done.stderr[-2000:]}")
    return done.stdout


def main() -> None:
    if not (BIN / "dramatiq").exists():
        print("peers: not installed; `make bench-peers` does it.", file=sys.stderr)
        return
    with ExitStack() as exits:
        var, values = exits.enter_context(stack.run_stores())
        ours = [lifecycle.measure_ours(var, values, batch=50, events=False)[0]]
        rates = {
            contender.module: measure_contender(var, values, contender) for contender in CONTENDERS
        }
        celery = lifecycle.measure_baseline(var, values, "bare")
        ours += [lifecycle.measure_ours(var, values, batch=50, events=False)[0]]
    rate = statistics.mean(ours)
    report.show(
        benchmark="peers",
        title=f"Jobs per second, {lifecycle.JOBS} jobs, {os.cpu_count()} cores shared by all",
        columns=("what", "jobs/s", "ours to it"),
        rows=[
            ("ours, with HTTP, credits, ledger and events", rate, ""),
            *(
                (contender.title, rates[contender.module], _ratio(rate, rates[contender.module]))
                for contender in CONTENDERS
            ),
            ("Celery, chain of 4", celery, _ratio(rate, celery)),
            *((f"published: {what}", figure, "") for what, (figure, _) in PUBLISHED.items()),
        ],
        ours=rate,
        baselines={**rates, "celery_chain": celery},
        published=PUBLISHED,
    )


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}"


if __name__ == "__main__":
    main()
