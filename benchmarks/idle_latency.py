"""Milliseconds from a submission to `completed` on a stack that has nothing else to do.

One job after another comes to the whole stack of production settings, each when the one before has
ended and a moment has passed; the engine answers at once, by a signed HTTP callback. Both times are
PostgreSQL's own: the row's making and its end. The baseline is the limit that we set ourselves for
the median.
"""

import os
import random
import statistics
import time

import psycopg

from benchmarks import report, stack
from benchmarks.recovery import percentile

JOBS = int(os.environ.get("BENCHMARK_QUIET_JOBS", "100"))
WARM_UP_JOBS = 20
PAUSE_SECONDS = 0.3
LIMIT_MS = 60.0
TOOK = """
SELECT 1000 * extract(epoch FROM j.completed_at - j.created_at)::float,
       1000 * extract(epoch FROM a.created_at - j.created_at)::float,
       1000 * extract(epoch FROM a.claimed_at - a.created_at)::float,
       1000 * extract(epoch FROM coalesce(a.dispatched_at, a.reported_at) - a.claimed_at)::float,
       1000 * extract(epoch FROM a.reported_at - coalesce(a.dispatched_at, a.reported_at))::float,
       1000 * extract(epoch FROM j.completed_at - a.reported_at)::float
FROM jobs j JOIN job_attempts a ON a.id = j.attempt_id ORDER BY j.created_at DESC LIMIT %s"""
PARTS = ("all", "to admission", "to its claim", "to its call", "to the report", "to the end")


def main() -> None:
    with stack.stores() as (var, values):
        settings = stack.settings(values, RATE_LIMIT="1000000/minute", LOG_LEVEL="WARNING")
        ours = [*stack.programs(settings), stack.module("echo", settings)]
        with (
            stack.running(ours, var),
            psycopg.connect(values["DATABASE_URL"], autocommit=True) as database,
        ):
            users = stack.make_users(settings, users=1, credits=WARM_UP_JOBS + JOBS)
            for number in range(1, WARM_UP_JOBS + JOBS + 1):
                time.sleep(random.uniform(0.5, 1.5) * PAUSE_SECONDS)  # noqa: S311
                stack.submit(values["PUBLIC_URL"], users, "/jobs/noop", [{}])
                stack.wait(lambda: stack.completed(database) >= number, interval=0.01)  # noqa: B023
            took = database.execute(TOOK, [JOBS]).fetchall()
    parts = list(zip(*took, strict=True))
    medians = [statistics.median(part) for part in parts]
    p99 = percentile(parts[0], 0.99)
    report.show(
        benchmark="idle_latency",
        title=f"Milliseconds of a job on an idle stack, {os.cpu_count()} cores",
        columns=("part", "p50", "p99"),
        rows=[
            (name, median, percentile(part, 0.99))
            for name, median, part in zip(PARTS, medians, parts, strict=True)
        ],
        ours=medians[0],
        baselines={"limit": LIMIT_MS},
        less_is_better=True,
        p99=round(p99, 1),
        jobs=JOBS,
    )


if __name__ == "__main__":
    main()
