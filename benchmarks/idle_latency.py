"""Measure the milliseconds from submission to `completed` on an idle stack.

One job after another is submitted to the whole stack with production settings, each a moment after
the previous one has ended. The engine reports at once by a signed HTTP callback. Both times are
PostgreSQL's own: the creation of the row and its end. The baseline is our limit for the median.
"""

import os
import random
import statistics
import time

import psycopg

from benchmarks import report, stack
from benchmarks.recovery import compute_percentile

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
    with stack.run_stores() as (var, values):
        settings = stack.settings(values, RATE_LIMIT="1000000/minute", LOG_LEVEL="WARNING")
        ours = [*stack.list_programs(settings), stack.build_process("echo", settings)]
        with (
            stack.run_processes(ours, var),
            psycopg.connect(values["DATABASE_URL"], autocommit=True) as database,
        ):
            users = stack.make_users(settings, users=1, credits=WARM_UP_JOBS + JOBS)
            for number in range(1, WARM_UP_JOBS + JOBS + 1):
                time.sleep(random.uniform(0.5, 1.5) * PAUSE_SECONDS)  # noqa: S311
                stack.submit(values["PUBLIC_URL"], users, "/jobs/noop", [{}])
                stack.wait_until(lambda: stack.count_completed(database) >= number, interval=0.01)  # noqa: B023
            took = database.execute(TOOK, [JOBS]).fetchall()
    parts = list(zip(*took, strict=True))
    medians = [statistics.median(part) for part in parts]
    p99 = compute_percentile(parts[0], 0.99)
    report.show(
        benchmark="idle_latency",
        title=f"Milliseconds of a job on an idle stack, {os.cpu_count()} cores",
        columns=("part", "p50", "p99"),
        rows=[
            (name, median, compute_percentile(part, 0.99))
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
