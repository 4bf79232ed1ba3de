"""What it costs that there are millions of ended jobs: rate, WAL, and buffers of requests.

Two databases at one server: one with few ended jobs, one with many (`benchmarks.grown`). The hot
path (`benchmarks.hot_path`) runs in them in turns, each turn after a checkpoint, so that what WAL
is written for a page's first change since is counted. Then each request of
`benchmarks.request_buffers` is asked of the large one: what each of its statements reads.

`BENCHMARK_GROWTH_FOLDER` keeps the databases from run to run: ten million jobs are made in an hour.
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
"""Lives in each turn."""
FOLDER = os.environ.get("BENCHMARK_GROWTH_FOLDER")
MAKING_SECONDS = float(os.environ.get("BENCHMARK_GROWTH_MAKING_SECONDS", "inf"))
"""Where it is set, rows are made for so long, and nothing is measured."""
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
class Turn:
    """What some lives took of the server."""

    jobs: int
    seconds: float
    server_cpu_seconds: float
    wal_records: int
    wal_page_images: int
    wal_bytes: int


@contextmanager
def server(var: Path, *, throwaway: bool) -> Iterator[dict[str, str]]:
    """PostgreSQL and Redis on a folder that may have been used before."""
    create_folders(var)
    numbers = map(str, ports.find_free_ports(len(ports.DEFAULTS)))
    chosen = ports.read_ports(dict(zip(ports.DEFAULTS, numbers, strict=True)))
    values = environment.write_environment(var, chosen)
    wanted = services.list_stores(var, chosen, values, throwaway=throwaway, without=("mongodb",))
    with stack.running(wanted, var):
        yield values


def settings_of(values: Mapping[str, str], database: str) -> dict[str, str]:
    """The environment for one of the databases."""

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


def make(values: Mapping[str, str]) -> None:
    """Both databases, with what they shall hold."""
    with psycopg.connect(values["MIGRATION_DATABASE_URL"], autocommit=True) as owner:
        known = {name for (name,) in owner.execute("SELECT datname FROM pg_database")}
        for name in {"few", "many"} - known:
            owner.execute(f'CREATE DATABASE "{name}"')
    deadline = time.monotonic() + MAKING_SECONDS
    for name, jobs in (("few", FEW), ("many", JOBS)):
        settings = settings_of(values, name)
        stack.manage(settings, "migrate", "--noinput", "--verbosity", "0")
        with psycopg.connect(settings["MIGRATION_DATABASE_URL"], autocommit=True) as owner:
            grown.grow(owner, jobs, deadline=deadline)


@contextmanager
def client(var: Path, settings: Mapping[str, str]) -> Iterator[Client]:
    """A `benchmarks.hot_path` process on the users of its database."""
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


def take_turn(owner: psycopg.Connection, one: Client, jobs: int) -> Turn:
    """So many lives, after a checkpoint."""
    owner.execute("CHECKPOINT")
    before = owner.execute(WAL).fetchone()
    one.order({"jobs": jobs})
    took = json.loads(one.answer())
    after = owner.execute(WAL).fetchone()
    assert before is not None
    assert after is not None
    return Turn(
        **took,
        **dict(
            zip(
                ("wal_records", "wal_page_images", "wal_bytes"),
                (int(b) - int(a) for a, b in zip(before, after, strict=True)),
                strict=True,
            )
        ),
    )


def ask(settings: Mapping[str, str]) -> list[dict[str, Any]]:
    """What each statement of each request reads."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.request_buffers"],
        cwd=processes.BASE_DIR,
        env=dict(settings),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def sizes(settings: Mapping[str, str]) -> dict[str, Any]:
    """Bytes of each table without its indexes, and of each of these."""
    with psycopg.connect(settings["MIGRATION_DATABASE_URL"]) as owner:
        rows = owner.execute(SIZES, [list(grown.TABLES)]).fetchall()
    return {name: {"table": table, **json.loads(indexes)} for name, table, indexes in rows}


def measure(var: Path, values: Mapping[str, str]) -> dict[str, list[Turn]]:
    """The turns of each database."""
    measured: dict[str, list[Turn]] = {name: [] for name in TURNS}
    with ExitStack() as exits:
        owner = exits.enter_context(
            psycopg.connect(values["MIGRATION_DATABASE_URL"], autocommit=True)
        )
        clients = {
            name: exits.enter_context(client(var, settings_of(values, name))) for name in measured
        }
        for one in clients.values():
            take_turn(owner, one, WARM_UP)
        for name in TURNS:
            measured[name].append(take_turn(owner, clients[name], MEASURED))
            print(name, measured[name][-1], file=sys.stderr, flush=True)
    return measured


def per_job(turns: list[Turn], what: str) -> float:
    """The mean of a figure."""
    return float(sum(getattr(turn, what) for turn in turns) / sum(turn.jobs for turn in turns))


def run(var: Path) -> None:
    with server(var, throwaway=True) as values:
        make(values)
    if math.inf > MAKING_SECONDS:
        return
    with server(var, throwaway=False) as values:
        measured = measure(var, values)
        many = settings_of(values, "many")
        asked = ask(many)
        stored = sizes(many)
    few, grown_ = measured["few"], measured["many"]
    rows = [
        ("jobs/s, statements alone", *(1 / per_job(t, "seconds") for t in (few, grown_))),
        (
            "ms of the server's processor a job",
            *(1000 * per_job(t, "server_cpu_seconds") for t in (few, grown_)),
        ),
        *(
            (f"{name} a job", *(per_job(t, what) / by for t in (few, grown_)))
            for name, what, by in (
                ("WAL, KB", "wal_bytes", 1000),
                ("WAL records", "wal_records", 1),
                ("WAL page images", "wal_page_images", 1),
            )
        ),
        *(
            (f"buffers: {one['request']}: {one['statement'][:40]}", "", one["buffers"])
            for one in asked
            if one["buffers"] > MOST_BUFFERS
        ),
    ]
    report.show(
        benchmark="growth",
        title=f"{JOBS:,} ended jobs, {os.cpu_count()} cores",
        columns=("what", f"{FEW:,} ended jobs", f"{JOBS:,}"),
        rows=rows,
        ours=1 / per_job(grown_, "seconds"),
        baselines={"few": 1 / per_job(few, "seconds")},
        server_cpu_ratio=round(
            per_job(few, "server_cpu_seconds") / per_job(grown_, "server_cpu_seconds"), 2
        ),
        wal_kb_per_job=round(per_job(grown_, "wal_bytes") / 1000, 1),
        most_buffers=max((one["buffers"] for one in asked), default=0),
        requests=asked,
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
