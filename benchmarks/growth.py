"""Measure the cost of millions of ended jobs: rate, WAL, and buffers of requests.

There are two databases on one server: one with few ended jobs, one with many (`benchmarks.grown`).
The hot path (`benchmarks.hot_path`) runs in them in turn, each time after a checkpoint, so that the
WAL of the first change of each page is counted. Then each request of `benchmarks.request_buffers`
is sent to the large database, and the buffers that each of its statements reads are counted.
`BENCHMARK_GROWTH_FOLDER` keeps the databases between runs: inserting ten million jobs takes an
hour.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from auteur.devstack import environment, ports, processes, services
from auteur.devstack.environment import POSTGRES_DATABASE
from auteur.devstack.stack import create_folders
from benchmarks import grown, report, stack
from benchmarks.ledger import Client

FEW = 10_000
JOBS = int(os.environ.get("BENCHMARK_GROWTH_JOBS", "300000"))
MEASURED = int(os.environ.get("BENCHMARK_GROWTH_MEASURED", "1000"))
"""Jobs in each round."""
FOLDER = os.environ.get("BENCHMARK_GROWTH_FOLDER")
MAKING_SECONDS = float(os.environ.get("BENCHMARK_GROWTH_MAKING_SECONDS", "inf"))
"""If it is set, rows are inserted for this time and nothing is measured."""
WARM_UP = 100
MOST_BUFFERS = 5_000
TURNS = ("few", "many", "many", "few")
SIZES = """
SELECT relname, pg_table_size(oid), coalesce((
           SELECT json_object_agg(indexrelid::regclass, pg_relation_size(indexrelid))::text
           FROM pg_index WHERE indrelid = pg_class.oid
       ), '{}')
FROM pg_class WHERE oid = ANY (%s::regclass[])
"""
WAL = """
SELECT wal_records, wal_fpi, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint
FROM pg_stat_wal
"""


@dataclass(frozen=True)
class Round:
    """The cost of some jobs for the server."""

    jobs: int
    seconds: float
    server_cpu_seconds: float
    wal_records: int
    wal_page_images: int
    wal_bytes: int


@contextmanager
def start_server(var: Path, *, throwaway: bool) -> Iterator[dict[str, str]]:
    """Run PostgreSQL and Redis on a folder that may have been used before."""
    create_folders(var)
    numbers = map(str, ports.find_free_ports(len(ports.DEFAULTS)))
    chosen = ports.read_ports(dict(zip(ports.DEFAULTS, numbers, strict=True)))
    values = environment.write_environment(var, chosen)
    store_processes = services.list_stores(
        var, chosen, values, throwaway=throwaway, without=("mongodb",)
    )
    with stack.run_processes(store_processes, var):
        yield values


def build_settings(values: Mapping[str, str], database: str) -> dict[str, str]:
    """Return the environment for one of the databases."""

    def to(url: str) -> str:
        return url.removesuffix(POSTGRES_DATABASE) + database

    return stack.settings(
        {
            **values,
            **{name: to(values[name]) for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL")},
        },
        INFERENCE_BACKEND="benchmarks.hot_path.Backend",
        RATE_LIMIT="1000000/minute",
        CPU_LIMIT="1000000",
        LOG_LEVEL="WARNING",
    )


def make_databases(values: Mapping[str, str]) -> None:
    """Create and fill both databases."""
    with psycopg.connect(values["MIGRATION_DATABASE_URL"], autocommit=True) as owner:
        existing_names = {name for (name,) in owner.execute("SELECT datname FROM pg_database")}
        for name in {"few", "many"} - existing_names:
            owner.execute(f'CREATE DATABASE "{name}"')
    deadline = time.monotonic() + MAKING_SECONDS
    for name, jobs in (("few", FEW), ("many", JOBS)):
        settings = build_settings(values, name)
        stack.run_manage(settings, "migrate", "--noinput", "--verbosity", "0")
        with psycopg.connect(settings["MIGRATION_DATABASE_URL"], autocommit=True) as owner:
            grown.grow(owner, jobs, deadline=deadline)


@contextmanager
def start_client(var: Path, settings: Mapping[str, str]) -> Iterator[Client]:
    """Run a `benchmarks.hot_path` process with the users of its database."""
    with psycopg.connect(settings["MIGRATION_DATABASE_URL"]) as owner:
        rows = owner.execute("SELECT user_id FROM benchmark_users ORDER BY number").fetchall()
    file = var / f"users-of-{settings['DATABASE_URL'].rsplit('/', 1)[-1]}"
    file.write_text("\n".join(str(user_id) for (user_id,) in rows))
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.hot_path", str(file)],
        cwd=processes.BASE_DIR,
        env=dict(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        started = Client(process)
        started.answer()
        yield started


def run_round(owner: psycopg.Connection, client: Client, jobs: int) -> Round:
    """Run this many jobs after a checkpoint; return their cost."""
    owner.execute("CHECKPOINT")
    before = owner.execute(WAL).fetchone()
    client.order({"jobs": jobs})
    took = json.loads(client.answer())
    after = owner.execute(WAL).fetchone()
    assert before is not None
    assert after is not None
    return Round(
        **took,
        **dict(
            zip(
                ("wal_records", "wal_page_images", "wal_bytes"),
                (int(b) - int(a) for a, b in zip(before, after, strict=True)),
                strict=True,
            )
        ),
    )


def list_statement_reads(settings: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the buffers that the worst statement of each request reads."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.request_buffers"],
        cwd=processes.BASE_DIR,
        env=dict(settings),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def measure_sizes(settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the bytes of each table without its indexes, and of each index."""
    with psycopg.connect(settings["MIGRATION_DATABASE_URL"]) as owner:
        rows = owner.execute(SIZES, [list(grown.TABLES)]).fetchall()
    return {name: {"table": table, **json.loads(indexes)} for name, table, indexes in rows}


def measure(var: Path, values: Mapping[str, str]) -> dict[str, list[Round]]:
    """Measure the rounds of each database."""
    measured: dict[str, list[Round]] = {name: [] for name in TURNS}
    with ExitStack() as exits:
        owner = exits.enter_context(
            psycopg.connect(values["MIGRATION_DATABASE_URL"], autocommit=True)
        )
        clients = {
            name: exits.enter_context(start_client(var, build_settings(values, name)))
            for name in measured
        }
        for client in clients.values():
            run_round(owner, client, WARM_UP)
        for name in TURNS:
            measured[name].append(run_round(owner, clients[name], MEASURED))
            print(name, measured[name][-1], file=sys.stderr, flush=True)
    return measured


def compute_mean(turns: list[Round], what: str) -> float:
    """Return the mean of a figure for each job."""
    return float(sum(getattr(turn, what) for turn in turns) / sum(turn.jobs for turn in turns))


def run(var: Path) -> None:
    with start_server(var, throwaway=True) as values:
        make_databases(values)
    if math.inf > MAKING_SECONDS:
        return
    with start_server(var, throwaway=False) as values:
        measured = measure(var, values)
        many = build_settings(values, "many")
        requests = list_statement_reads(many)
        stored = measure_sizes(many)
    few, grown_ = measured["few"], measured["many"]
    rows = [
        ("jobs/s, statements alone", *(1 / compute_mean(t, "seconds") for t in (few, grown_))),
        (
            "ms of the server's processor a job",
            *(1000 * compute_mean(t, "server_cpu_seconds") for t in (few, grown_)),
        ),
        *(
            (f"{name} a job", *(compute_mean(t, what) / by for t in (few, grown_)))
            for name, what, by in (
                ("WAL, KB", "wal_bytes", 1000),
                ("WAL records", "wal_records", 1),
                ("WAL page images", "wal_page_images", 1),
            )
        ),
        *(
            (f"buffers: {request['request']}: {request['statement'][:40]}", "", request["buffers"])
            for request in requests
            if request["buffers"] > MOST_BUFFERS
        ),
    ]
    report.show(
        benchmark="growth",
        title=f"{JOBS:,} ended jobs, {os.cpu_count()} cores",
        columns=("what", f"{FEW:,} ended jobs", f"{JOBS:,}"),
        rows=rows,
        ours=1 / compute_mean(grown_, "seconds"),
        baselines={"few": 1 / compute_mean(few, "seconds")},
        server_cpu_ratio=round(
            compute_mean(few, "server_cpu_seconds") / compute_mean(grown_, "server_cpu_seconds"), 2
        ),
        wal_kb_per_job=round(compute_mean(grown_, "wal_bytes") / 1000, 1),
        most_buffers=max((request["buffers"] for request in requests), default=0),
        requests=requests,
        sizes=stored,
        goal=0.9,
    )


def main() -> None:
    if FOLDER:
        Path(FOLDER).mkdir(parents=True, exist_ok=True)
        run(Path(FOLDER))
    else:
        with tempfile.TemporaryDirectory(prefix="auteur-benchmark-") as folder:
            run(Path(folder))


if __name__ == "__main__":
    main()
