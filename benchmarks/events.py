"""Measure how many events per second are numbered, and check that late commits lose none.

First, writers commit events out of order (each transaction locks a job, writes and waits) while two
orchestrators number them; then `manage.py events_verify` checks every event. After that, one
process numbers a backlog alone. The baseline moves the same rows with psycopg in batches, without
numbers per user, hashes or data for clients.
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Mapping

import psycopg

from auteur.devstack import processes
from benchmarks import report, stack
from jobs.states import JobStatus

EVENTS = int(os.environ.get("BENCHMARK_EVENTS", "100000"))
USERS = 100
JOBS_PER_USER = 20
WRITERS = 8
PER_TRANSACTION = 100
MOST_LINGERING_SECONDS = 0.05
BATCH = 2000

MAKE_JOBS = """
INSERT INTO jobs (user_id, type, gpu_class, rank, media_ids, credits_cost, price_version,
                  input_params, status, wake_at, start_deadline_at)
SELECT id, 'noop', 'CPU', 0, '{}', 1, 'v', '{}', %s, '2100-01-01', '2100-01-01'
FROM users, generate_series(1, %s)"""
WRITE = """
INSERT INTO job_events (job_id, user_id, type, data)
SELECT job.id, job.user_id, 'requeued', '{}'
FROM (SELECT id, user_id FROM jobs WHERE id = %s FOR NO KEY UPDATE) AS job,
     generate_series(1, %s)"""
FILL = """
INSERT INTO job_events (job_id, user_id, type, data)
SELECT id, user_id, 'requeued', '{}'
FROM jobs, generate_series(1, %s) ORDER BY random()"""
MOVE = """
WITH taken AS (
    DELETE FROM job_events WHERE id IN (SELECT id FROM job_events ORDER BY id LIMIT %s)
    RETURNING id, user_id, job_id, type, data, created_at
)
INSERT INTO user_events (position, user_id, seq, job_id, type, data, internal, hash, created_at)
SELECT 1000000000 + id, user_id, 1000000000 + id, job_id, type, data, '{}', '', created_at
FROM taken"""
NUMBER = """
import time
from jobs.events.numbering import number_events
number_events()
began, numbered = time.perf_counter(), 0
while count := number_events():
    numbered += count
print(numbered / (time.perf_counter() - began))
"""


def write(url: str, jobs: list[str], seed: int, transactions: int) -> None:
    """Write events in transactions of random duration."""
    chance = random.Random(seed)  # noqa: S311 - the same ones each time
    with psycopg.connect(url) as database:
        for _ in range(transactions):
            database.execute(WRITE, [chance.choice(jobs), PER_TRANSACTION])
            time.sleep(chance.random() * MOST_LINGERING_SECONDS)
            database.commit()


def write_and_number(url: str, jobs: list[str]) -> float:
    """Return the events written and numbered per second with late commits; check them all."""
    began = time.perf_counter()
    transactions_per_writer = EVENTS // WRITERS // PER_TRANSACTION
    threads = [
        threading.Thread(target=write, args=(url, jobs, seed, transactions_per_writer))
        for seed in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with psycopg.connect(url, autocommit=True) as database:
        while _count(database, "job_events"):
            time.sleep(stack.POLL_SECONDS)
    return WRITERS * transactions_per_writer * PER_TRANSACTION / (time.perf_counter() - began)


def measure_plain_move(url: str) -> float:
    """Return the rows per second that the baseline moves."""
    with psycopg.connect(url, autocommit=True) as database:
        _fill(database)
        began, moved = time.perf_counter(), 0
        while count := database.execute(MOVE, [BATCH]).rowcount:
            moved += count
        return moved / (time.perf_counter() - began)


def measure_numbering(url: str, settings: Mapping[str, str]) -> float:
    """Return the events per second that `number_events` numbers."""
    with psycopg.connect(url, autocommit=True) as database:
        _fill(database)
    return float(stack.run_manage(settings, "shell", "--verbosity", "0", "-c", NUMBER))


def _fill(database: psycopg.Connection) -> None:
    database.execute(FILL, [EVENTS // (USERS * JOBS_PER_USER)])
    database.execute("ANALYZE job_events")


def _count(database: psycopg.Connection, table: str) -> int:
    row = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - ours
    assert row is not None
    return int(row[0])


def verify(settings: Mapping[str, str]) -> dict[str, int]:
    """Return the report of `events_verify`; fail if it has findings."""
    report: dict[str, int] = json.loads(stack.run_manage(settings, "events_verify", "--json"))
    assert report["ok"], report
    assert report["waiting"] == 0, report
    return report


def main() -> None:
    with stack.run_stores(without=("mongodb",)) as (_, values):
        settings = stack.settings(values)
        stack.run_manage(settings, "migrate", "--noinput", "--verbosity", "0")
        stack.make_users(settings, users=USERS, credits=1)
        url = values["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as database:
            database.execute(MAKE_JOBS, [JobStatus.PROCESSING.value, JOBS_PER_USER])
            jobs = [str(job_id) for (job_id,) in database.execute("SELECT id FROM jobs")]
        orchestrators = [
            subprocess.Popen(
                [sys.executable, "manage.py", "orchestrate"],
                cwd=processes.BASE_DIR,
                env=dict(settings),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(2)
        ]
        try:
            with_late_commits = write_and_number(url, jobs)
        finally:
            for orchestrator in orchestrators:
                orchestrator.terminate()
            for orchestrator in orchestrators:
                orchestrator.wait()
        checked = verify(settings)
        numbered = measure_numbering(url, settings)
        moved = measure_plain_move(url)
    report.show(
        benchmark="events",
        title="Events",
        columns=("what", "events/s"),
        rows=(
            (f"written by {WRITERS} with late commits, numbered by two", with_late_commits),
            ("numbered, a backlog, by one process", numbered),
            ("moved by psycopg, without numbers", moved),
        ),
        ours=numbered,
        baselines={"moved by psycopg": moved},
        checked=checked["events"],
    )


if __name__ == "__main__":
    main()
