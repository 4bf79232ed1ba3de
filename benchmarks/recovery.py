"""Seconds from the SIGKILL of a worker that has a job in its hands to the job's completion.

All settings are those of production; the calls themselves do nothing. One job after another is
submitted, and a child of the steps' worker dies with it at one of the points of `jobs.failpoints`;
every second time the rest of that worker is killed in the same moment, and a supervisor starts a
new one. The death is noticed within milliseconds by the point's file going away; the completion is
the time that PostgreSQL wrote down. The baseline is not measured: it is the limit that we set
ourselves for the 99th percentile.
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
"""Only jobs that have something to deliver come to these."""


@dataclass(frozen=True)
class Death:
    """Where a child dies, and whether all of its worker goes with it."""

    point: str
    whole_worker: bool

    @property
    def name(self) -> str:
        return f"{'worker' if self.whole_worker else 'child'} {self.point}"


DEATHS = [Death(point, whole) for point in POINTS for whole in (False, True)]


@dataclass(frozen=True)
class Bench:
    """A running stack, and the means to kill in it."""

    url: str
    users: list[stack.User]
    database: psycopg.Connection
    failpoints: Path
    worker: Child

    def recover(self, death: Death) -> float:
        """Seconds from one death to the completion of the job that was held."""
        armed = self.failpoints / death.point
        armed.touch()
        body = {"delivered": death.point in DELIVERING}
        (answer,) = stack.submit(self.url, self.users, "/jobs/noop", [body])
        stack.wait(lambda: not armed.exists(), seconds=GIVE_UP_SECONDS, interval=LOOK_SECONDS)
        died_at = time.time()
        if death.whole_worker:
            self.worker.signal_group(SIGKILL)
        return self._completed_at(answer["job_id"]) - died_at

    def _completed_at(self, job_id: str) -> float:
        found: list[tuple[str, float]] = []

        def ended() -> bool:
            found[:] = self.database.execute(
                "SELECT status, extract(epoch FROM completed_at)::float FROM jobs"
                " WHERE id = %s AND wake_at IS NULL",
                [job_id],
            ).fetchall()
            return bool(found)

        stack.wait(ended, seconds=GIVE_UP_SECONDS)
        ((status, completed_at),) = found
        if status != JobStatus.COMPLETED:
            raise RuntimeError(f"a job {status} for a worker's death")
        return completed_at


@contextmanager
def bench(var: Path, values: Mapping[str, str]) -> Iterator[Bench]:
    """The stack with default settings, in which points can be armed."""
    # What dies here was killed, and has not failed: it comes back as fast the tenth time.
    child.LAST_BACKOFF_SECONDS = child.FIRST_BACKOFF_SECONDS
    failpoints = var / "failpoints"
    failpoints.mkdir()
    settings = stack.settings(values, **{VARIABLE: str(failpoints)})
    ours = [*stack.programs(settings), stack.module("echo", settings)]
    with (
        stack.running(ours, var) as supervisor,
        psycopg.connect(values["DATABASE_URL"], autocommit=True) as database,
    ):
        users = stack.make_users(settings, users=1, credits=KILLS)
        (worker,) = (each for each in supervisor.children if each.name == WORKER)
        yield Bench(values["PUBLIC_URL"], users, database, failpoints, worker)


def percentile(seconds: Sequence[float], share: float) -> float:
    """The smallest of the values that so large a share of them does not exceed."""
    return sorted(seconds)[math.ceil(share * len(seconds)) - 1]


def main() -> None:
    took: dict[Death, list[float]] = {death: [] for death in DEATHS}
    with stack.stores() as (var, values), bench(var, values) as running:
        for death in islice(cycle(DEATHS), KILLS):
            took[death].append(running.recover(death))
    every = [seconds for each in took.values() for seconds in each]
    p50, p99, longest = statistics.median(every), percentile(every, 0.99), max(every)
    report.show(
        benchmark="recovery",
        title=f"Seconds from SIGKILL to completion, {os.cpu_count()} cores shared by all",
        columns=("who died, and where", "kills", "p50", "p99", "max"),
        rows=[
            (death.name, len(each), statistics.median(each), percentile(each, 0.99), max(each))
            for death, each in took.items()
            if each
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
