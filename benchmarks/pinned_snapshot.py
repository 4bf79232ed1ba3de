"""What a snapshot that somebody holds open costs: a dump, a report, a forgotten session.

Nothing that has been deleted or replaced since can be removed while it is held, and a queue is made
of such rows. The hot path (`benchmarks.hot_path`) takes jobs through their lives, first with nobody
else there, then under the snapshot. The loss is how much more of the server's processor a job takes
at the end than before, for other work on the machine does not change that; the rates stand beside.
"""

import json
import os
import tempfile
from pathlib import Path

import psycopg

from benchmarks import grown, growth, report, stack
from benchmarks.growth import Turn

ENDED = 10_000
JOBS = int(os.environ.get("BENCHMARK_PINNED_JOBS", "20000"))
"""Lives under the snapshot: 180,000 are half an hour of a hundred a second."""
PART = max(1_000, JOBS // 10)
GOAL = 0.05


def measure(owner: psycopg.Connection, url: str, var: Path, settings: dict[str, str]) -> list[Turn]:
    """One part with nobody else there, then parts under the snapshot."""
    with growth.client(var, settings) as one:
        growth.take_turn(owner, one, growth.WARM_UP)
        turns = [growth.take_turn(owner, one, PART)]
        with psycopg.connect(url) as holder:
            holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            holder.execute("SELECT 1 FROM jobs LIMIT 1")
            for _ in range(max(1, JOBS // PART)):
                turns.append(growth.take_turn(owner, one, PART))
                print(json.dumps(vars(turns[-1])), flush=True)
    return turns


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="auteur-benchmark-") as folder:
        var = Path(folder)
        with growth.server(var, throwaway=False) as values:
            settings = growth.settings_of(values, "auteur")
            stack.manage(settings, "migrate", "--noinput", "--verbosity", "0")
            url = values["MIGRATION_DATABASE_URL"]
            with psycopg.connect(url, autocommit=True) as owner:
                grown.grow(owner, ENDED)
                first, *pinned = measure(owner, url, var, settings)
    last = pinned[-1]
    rows = [
        (f"{place * PART:,}", turn.jobs / turn.seconds, 1000 * turn.server_cpu_seconds / turn.jobs)
        for place, turn in enumerate((first, *pinned))
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
