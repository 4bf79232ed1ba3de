"""Measure the cost of a job by process: processor time, statements, commits, fsyncs, WAL.

There are two loads: jobs that arrive all at once, whose steps share messages, and jobs that arrive
one after the other on a quiet stack. The cost of an idle second is measured first and subtracted.
Statements are counted in further runs from PostgreSQL's log; each is a round trip of its process,
including BEGIN and COMMIT. Clients and the stand-in for a GPU are not counted. The baseline is our
goal for the processor time of a job in the busy load.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import psycopg

from auteur.devstack.process import Process
from auteur.devstack.supervisor import Supervisor
from benchmarks import report, stack

JOBS = int(os.environ.get("BENCHMARK_JOBS", "1000"))
QUIET_JOBS = int(os.environ.get("BENCHMARK_QUIET_JOBS", "100"))
COUNTED_SHARE = 4
"""The share of jobs whose statements are counted: logging all of them would distort the costs."""
WARM_UP_JOBS = 100
USERS = 20
WORKERS = 2
IDLE_SECONDS = 5.0
SETTLE_SECONDS = 1.0
"""The pause after the last job, in which its events are numbered and statistics are reported."""
QUIET_PAUSE_SECONDS = 0.02
GOAL_MS = 4.0
OURS = ("api", "orchestrator", "worker-steps")
MEASURED = (*OURS, "postgres")
LOGGED = re.compile(r"^\[([\w-]+)\] LOG:  (?:execute [^:]+|statement):")

Figures = dict[str, float]


@dataclass(frozen=True)
class Bench:
    """A running stack, and the resources that it has used."""

    url: str
    users: list[stack.User]
    database: psycopg.Connection
    """The connection of the database owner."""
    processes: Mapping[str, int]
    log: Path
    """The log of PostgreSQL."""

    def used(self) -> Figures:
        """Return the use so far: processor ms by process, commits, fsyncs and bytes of WAL."""
        figures = {name: _cpu_ms(pid) for name, pid in self.processes.items()}
        figures["seconds"] = time.monotonic()
        rows = self.database.execute(
            "SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),"
            " wal_sync, wal_bytes::float, wal_fpi FROM pg_stat_wal"
        ).fetchall()
        figures.update(dict(zip(("commits", "fsyncs", "wal", "pages"), rows[0], strict=True)))
        return figures

    def statements(self) -> Figures:
        """Count the logged statements so far by process."""
        with self.log.open(errors="replace") as lines:
            counts = Counter(match[1] for line in lines if (match := LOGGED.match(line)))
        return {name: float(counts[name]) for name in OURS} | {"seconds": time.monotonic()}

    def log_statements(self, whether: bool) -> None:
        options = {
            "log_statement": "all" if whether else "none",
            "log_line_prefix": "[%a] ",
            "log_parameter_max_length": "0",
        }
        for name, value in options.items():
            self.database.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
        self.database.execute("SELECT pg_reload_conf()")
        time.sleep(SETTLE_SECONDS)

    def at_once(self, jobs: int) -> None:
        self._run([{}] * jobs)

    def one_by_one(self, jobs: int) -> None:
        for number in range(jobs):
            # A little later each time, else all meet the orchestrator at the same point.
            time.sleep(QUIET_PAUSE_SECONDS * (number % 5))
            self._run([{}])

    def _run(self, bodies: list[dict[str, object]]) -> None:
        before = stack.count_completed(self.database)
        stack.submit(self.url, self.users, "/jobs/noop", bodies)
        target = before + len(bodies)
        stack.wait_until(lambda: stack.count_completed(self.database) >= target, interval=0.01)

    def per_job(
        self, run: Callable[[int], None], jobs: int, look: Callable[[], Figures]
    ) -> dict[str, float]:
        """Return the use of each job in addition to that of an idle stack."""
        idle = _subtract_idle(look(), time.sleep, IDLE_SECONDS, look)
        busy = _subtract_idle(look(), run, jobs, look)
        return {
            name: (busy[name] - idle[name] / idle["seconds"] * busy["seconds"]) / jobs
            for name in busy
            if name != "seconds"
        } | {"seconds": busy["seconds"] / jobs}


def _subtract_idle(
    before: Figures, act: Callable[..., None], how: float, look: Callable[[], Figures]
) -> Figures:
    act(how)
    time.sleep(SETTLE_SECONDS)
    after = look()
    return {name: after[name] - before[name] for name in after}


def _cpu_ms(pid: int) -> float:
    """Return the processor time of a process and its descendants, including ended ones."""
    seconds = 0.0
    top = psutil.Process(pid)
    for process in (top, *top.children(recursive=True)):
        with suppress(psutil.Error):
            took = process.cpu_times()
            seconds += took.user + took.system + took.children_user + took.children_system
    return 1000 * seconds


def name_connections(process: Process) -> Process:
    """Return the process with a setting that names its connections in PostgreSQL."""
    return replace(process, environment={**(process.environment or {}), "PGAPPNAME": process.name})


def list_pids(*supervisors: Supervisor) -> dict[str, int]:
    children = [child for supervisor in supervisors for child in supervisor.children]
    return {c.name: c.pid for c in children if c.pid is not None and c.name in MEASURED}


def main() -> None:
    with stack.run_stores() as (var, values):
        settings = stack.settings(
            values,
            RATE_LIMIT="1000000/minute",
            WORKER_EVENTS="false",
            WORKER_CONCURRENCY=str(WORKERS),
            CPU_LIMIT="1000000",
            LOG_LEVEL="WARNING",
        )
        ours = [name_connections(process) for process in stack.list_programs(settings)]
        with (
            stack.run_processes([*ours, stack.build_process("echo", settings)], var) as supervisor,
            psycopg.connect(values["MIGRATION_DATABASE_URL"], autocommit=True) as database,
        ):
            users = stack.make_users(
                settings, users=USERS, credits=2 * (WARM_UP_JOBS + JOBS + QUIET_JOBS)
            )
            here = {**list_pids(supervisor), "postgres": _postmaster(var)}
            bench = Bench(values["PUBLIC_URL"], users, database, here, var / "log/postgres.log")
            results = measure(bench)
    show(results)


def _postmaster(var: Path) -> int:
    return int((var / "postgres" / "postmaster.pid").read_text().split()[0])


def measure(bench: Bench) -> dict[str, dict[str, float]]:
    """Return the cost of a job for each load. Statements are counted separately."""
    loads = {"at once": (bench.at_once, JOBS), "one by one": (bench.one_by_one, QUIET_JOBS)}
    bench.at_once(WARM_UP_JOBS)
    bench.one_by_one(WARM_UP_JOBS // 5)
    results = {name: bench.per_job(run, jobs, bench.used) for name, (run, jobs) in loads.items()}
    bench.log_statements(True)
    for name, (run, jobs) in loads.items():
        counted = bench.per_job(run, jobs // COUNTED_SHARE, bench.statements)
        results[name] |= {f"statements of {process}": counted[process] for process in OURS}
    bench.log_statements(False)
    return results


def show(results: Mapping[str, Mapping[str, float]]) -> None:
    rows = []
    for load, figures in results.items():
        rows += [
            (load, f"ms of processor time: {name}", round(figures[name], 2)) for name in MEASURED
        ]
        rows += [(load, "ms of processor time: all", round(_total(figures), 2))]
        rows += [
            (load, name, round(figures[name], 2))
            for name in (
                *(f"statements of {process}" for process in OURS),
                "commits",
                "fsyncs",
                "wal",
                "pages",
            )
        ]
    first = next(iter(results.values()))
    report.show(
        benchmark="cost",
        title=f"Cost of a job, {os.cpu_count()} cores shared by all processes",
        columns=("load", "what", "for each job"),
        rows=[(load, what, f"{figure:,.2f}") for load, what, figure in rows],
        ours=_total(first),
        baselines={"goal": GOAL_MS},
        less_is_better=True,
        **{
            load.replace(" ", "_"): {name: round(figure, 3) for name, figure in figures.items()}
            for load, figures in results.items()
        },
    )


def _total(figures: Mapping[str, float]) -> float:
    return sum(figures[name] for name in MEASURED)


if __name__ == "__main__":
    main()
