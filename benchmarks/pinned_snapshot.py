"""Measure the cost of a snapshot that is held open, as by a dump or a forgotten session.

Deleted or replaced rows cannot be removed while a snapshot is open, and queues consist of such
rows. The hot path (`benchmarks.hot_path`) runs jobs, first without a snapshot, then with one. The
loss is how much more processor time of the server a job takes at the end than before, because other
load on the machine does not change that; the rates are printed as well.
"""

import json
import os
import tempfile
from pathlib import Path

import psycopg

from benchmarks import grown, growth, report, stack
from benchmarks.growth import Round

ENDED = 10_000
JOBS = int(os.environ.get("BENCHMARK_PINNED_JOBS", "20000"))
"""The jobs that run under the snapshot: 180,000 are half an hour at 100 per second."""
PART = max(1_000, JOBS // 10)
GOAL = 0.05


def measure(
    owner: psycopg.Connection, url: str, var: Path, settings: dict[str, str]
) -> list[Round]:
    """Run one part without the snapshot, then parts under it."""
    with growth.start_client(var, settings) as client:
        growth.run_round(owner, client, growth.WARM_UP)
        turns = [growth.run_round(owner, client, PART)]
        with psycopg.connect(url) as holder:
            holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            holder.execute("SELECT 1 FROM jobs LIMIT 1")
            for _ in range(max(1, JOBS // PART)):
                turns.append(growth.run_round(owner, client, PART))
                print(json.dumps(vars(turns[-1])), flush=True)
    return turns


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="auteur-benchmark-") as folder:
        var = Path(folder)
        with growth.start_server(var, throwaway=False) as values:
            settings = growth.build_settings(values, "auteur")
            stack.run_manage(settings, "migrate", "--noinput", "--verbosity", "0")
            url = values["MIGRATION_DATABASE_URL"]
            with psycopg.connect(url, autocommit=True) as owner:
                grown.grow(owner, ENDED)
                first, *pinned = measure(owner, url, var, settings)
    last = pinned[-1]
    rows = [
        (f"{index * PART:,}", turn.jobs / turn.seconds, 1000 * turn.server_cpu_seconds / turn.jobs)
        for index, turn in enumerate((first, *pinned))
    ]
    before, after = (turn.jobs / turn.server_cpu_seconds for turn in (first, last))
    report.show(
        benchmark="pinned_snapshot",
        title=f"{JOBS:,} lives under an open snapshot, {os.cpu_count()} cores",
        columns=("lives since it was opened", "jobs/s", "ms of the server's processor a job"),
        rows=rows,
        ours=after,
        baselines={"without": before},
        loss=round(1 - after / before, 3),
        goal=GOAL,
    )


if __name__ == "__main__":
    main()
