"""Measure the seconds from the SIGKILL of a worker with a job to the job's completion.

All settings are those of production; the calls themselves do nothing. One job after another is
submitted, and a child of the steps' worker is killed at one of the points of `jobs.failpoints`.
Every second time the rest of that worker is killed at the same moment, and a supervisor starts a
new one. The death is noticed within milliseconds, because the file of the point disappears; the
completion is the time in PostgreSQL. The baseline is not measured: it is our limit for the 99th
percentile.
"""

import math
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from signal import SIGKILL

import psycopg

from auteur.devstack import child
from auteur.devstack.child import Child
from benchmarks import report, stack
from jobs.failpoints import VARIABLE
from jobs.states import JobStatus

KILLS = int(os.environ.get("BENCHMARK_KILLS", "42"))
LIMIT_SECONDS = 15.0
GIVE_UP_SECONDS = 120.0
LOOK_SECONDS = 0.002
WORKER = "worker-steps"
POINTS = (
    "after_claim_prepare",
    "after_commit_prepare",
    "after_claim_dispatch",
    "after_spawn",
    "after_claim_collect",
    "after_commit_collect",
    "after_claim_finalize",
    "before_complete",
)
DELIVERING = ("after_commit_collect", "after_claim_finalize")
"""The points that only jobs with a delivery reach."""


@dataclass(frozen=True)
class Death:
    """The point at which a child is killed, and whether its whole worker is killed, too."""

    point: str
    whole_worker: bool

    @property
    def name(self) -> str:
        return f"{'worker' if self.whole_worker else 'child'} {self.point}"


DEATHS = [Death(point, whole) for point in POINTS for whole in (False, True)]


@dataclass(frozen=True)
class Bench:
    """A running stack whose worker can be killed."""

    url: str
    users: list[stack.User]
    database: psycopg.Connection
    failpoints: Path
    worker: Child

    def recover(self, death: Death) -> float:
        """Return the seconds from the death to the completion of the job."""
        armed = self.failpoints / death.point
        armed.touch()
        body = {"delivered": death.point in DELIVERING}
        (answer,) = stack.submit(self.url, self.users, "/jobs/noop", [body])
        stack.wait_until(lambda: not armed.exists(), seconds=GIVE_UP_SECONDS, interval=LOOK_SECONDS)
        died_at = time.time()
        if death.whole_worker:
            self.worker.signal_group(SIGKILL)
        return self._completed_at(answer["job_id"]) - died_at

    def _completed_at(self, job_id: str) -> float:
        rows: list[tuple[str, float]] = []

        def ended() -> bool:
            rows[:] = self.database.execute(
                "SELECT status, extract(epoch FROM completed_at)::float FROM jobs"
                " WHERE id = %s AND wake_at IS NULL",
                [job_id],
            ).fetchall()
            return bool(rows)

        stack.wait_until(ended, seconds=GIVE_UP_SECONDS)
        ((status, completed_at),) = rows
        if status != JobStatus.COMPLETED:
            raise RuntimeError(f"a job {status} for a worker's death")
        return completed_at


@contextmanager
def bench(var: Path, values: Mapping[str, str]) -> Iterator[Bench]:
    """Run the stack with default settings and armed failpoints."""
    # What dies here was killed, and has not failed: it comes back as fast the tenth time.
    child.LAST_BACKOFF_SECONDS = child.FIRST_BACKOFF_SECONDS
    failpoints = var / "failpoints"
    failpoints.mkdir()
    settings = stack.settings(values, **{VARIABLE: str(failpoints)})
    ours = [*stack.list_programs(settings), stack.build_process("echo", settings)]
    with (
        stack.run_processes(ours, var) as supervisor,
        psycopg.connect(values["DATABASE_URL"], autocommit=True) as database,
    ):
        users = stack.make_users(settings, users=1, credits=KILLS)
        (worker,) = (process for process in supervisor.children if process.name == WORKER)
        yield Bench(values["PUBLIC_URL"], users, database, failpoints, worker)


def compute_percentile(seconds: Sequence[float], share: float) -> float:
    """Return the smallest value that this share of the values does not exceed."""
    return sorted(seconds)[math.ceil(share * len(seconds)) - 1]


def main() -> None:
    took: dict[Death, list[float]] = {death: [] for death in DEATHS}
    with stack.run_stores() as (var, values), bench(var, values) as running:
        for death in islice(cycle(DEATHS), KILLS):
            took[death].append(running.recover(death))
    every = [seconds for seconds_list in took.values() for seconds in seconds_list]
    p50, p99, longest = statistics.median(every), compute_percentile(every, 0.99), max(every)
    report.show(
        benchmark="recovery",
        title=f"Seconds from SIGKILL to completion, {os.cpu_count()} cores shared by all",
        columns=("who died, and where", "kills", "p50", "p99", "max"),
        rows=[
            (
                death.name,
                len(seconds_list),
                statistics.median(seconds_list),
                compute_percentile(seconds_list, 0.99),
                max(seconds_list),
            )
            for death, seconds_list in took.items()
            if seconds_list
        ]
        + [("all", len(every), p50, p99, longest)],
        ours=p99,
        baselines={"limit": LIMIT_SECONDS},
        less_is_better=True,
        kills=len(every),
        p50=round(p50, 2),
        p99=round(p99, 2),
        max=round(longest, 2),
        limit_seconds=LIMIT_SECONDS,
        ratio_is="limit / p99",
    )


if __name__ == "__main__":
    main()
