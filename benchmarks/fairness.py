"""Measure how many jobs are admitted before a newcomer's first job while another user waits.

Calls run at the stand-in for Modal for half a second each; the class admits ten at once. User A
submits a thousand jobs; while they wait, other users submit one job each, in turn. For each of
these jobs, the jobs that were admitted between its submission and its admission are counted. The
baseline is first come, first served: all jobs that waited when it came. The number of calls in
flight is observed all the time.
"""

import os
import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import report, stack
from benchmarks.inflight import modal_peer, modal_settings
from jobs.states import literals
from tests.modal_peer.scenario import Scenario

WAITING_JOBS = int(os.environ.get("BENCHMARK_WAITING_JOBS", "1000"))
NEWCOMERS = int(os.environ.get("BENCHMARK_NEWCOMERS", "20"))
PLACES = 10
CALL_SECONDS = 0.5
PAUSE_SECONDS = 0.7
BATCH = 100
MOST_RELEASES = 2
LOOK_SECONDS = 0.01

WAITING = "SELECT count(*) FROM jobs WHERE status = {PENDING} AND attempt_id IS NULL".format_map(
    literals()
)
IN_FLIGHT = "SELECT count(*) FROM job_attempts WHERE state IN {IN_POOL}".format_map(literals())
LET_IN_BEFORE = """
SELECT count(*) FROM jobs j JOIN job_attempts a ON a.job_id = j.id,
    (SELECT j.rank, j.created_at, a.created_at AS let_in_at
     FROM jobs j JOIN job_attempts a ON a.job_id = j.id WHERE j.id = %s) AS mine
WHERE a.created_at > to_timestamp(%s)
  AND (a.created_at, j.rank, j.created_at) < (mine.let_in_at, mine.rank, mine.created_at)"""


@contextmanager
def watch_in_flight(database_url: str) -> Iterator[list[int]]:
    """Observe the number of calls in flight until the block ends."""
    seen: list[int] = []
    stop = threading.Event()

    def look() -> None:
        with psycopg.connect(database_url, autocommit=True) as database:
            while not stop.wait(LOOK_SECONDS):
                seen.append(_count(database, IN_FLIGHT))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def measure(
    var: Path, values: Mapping[str, str], settings: dict[str, str]
) -> tuple[list[int], list[int], int]:
    """Return jobs admitted before each newcomer's, jobs waiting, and the most in flight."""
    url = values["PUBLIC_URL"]
    waiting = []
    with ExitStack() as exits:
        exits.enter_context(stack.run_processes(stack.list_programs(settings), var))
        many, *newcomers = stack.make_users(settings, users=1 + NEWCOMERS, credits=WAITING_JOBS)
        database = exits.enter_context(psycopg.connect(values["DATABASE_URL"], autocommit=True))
        seen = exits.enter_context(watch_in_flight(values["DATABASE_URL"]))
        bodies = [{"jobs": [{"type": "noop"}] * BATCH}] * (WAITING_JOBS // BATCH)
        stack.submit(url, [many], "/jobs/batch", bodies)
        submissions = []
        for newcomer in newcomers:
            waiting.append(_count(database, WAITING))
            (answer,) = stack.submit(url, [newcomer], "/jobs/noop", [{}])
            submissions.append((answer["job_id"], time.time()))
            time.sleep(PAUSE_SECONDS)
        stack.wait_until(lambda: stack.count_completed(database) >= len(submissions) + BATCH)
        before = [_count(database, LET_IN_BEFORE, *submission) for submission in submissions]
        return before, waiting, max(seen)


def _count(database: psycopg.Connection, query: str, *values: Any) -> int:
    row = database.execute(query.encode(), values).fetchone()
    assert row is not None
    return int(row[0])


def main() -> None:
    with stack.run_stores() as (var, values), modal_peer(Scenario.REPORT, CALL_SECONDS) as peer:
        settings = modal_settings(values, peer, CPU_LIMIT=str(PLACES))
        before, waiting, max_in_flight = measure(var, values, settings)
    ours, fifo = statistics.fmean(before), statistics.fmean(waiting)
    report.show(
        benchmark="fairness",
        title=f"{NEWCOMERS} newcomers beside a user with {WAITING_JOBS} jobs, {PLACES} places",
        columns=("what", "figure"),
        rows=[
            ("jobs let in before a newcomer's first: mean", ours),
            ("the most", max(before)),
            ("jobs that waited when it came: mean, as first come, first served", fifo),
            (f"most in flight at {PLACES} places", max_in_flight),
        ],
        ours=1 + ours,
        baselines={"first come, first served": 1 + fifo},
        less_is_better=True,
        most_before=max(before),
        goal=f"at most {MOST_RELEASES} releases, so {MOST_RELEASES - 1} let in before",
        most_in_flight=max_in_flight,
        places=PLACES,
        limit_kept=max_in_flight <= PLACES,
    )


if __name__ == "__main__":
    main()
