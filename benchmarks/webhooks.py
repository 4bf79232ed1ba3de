"""Measure the seconds from an event to its receiver while every tenth endpoint hangs.

A thousand users have an endpoint each. Their events are written as the numbering does, in turn and
at a fixed rate. The process `webhooks` sends them to our receiver, which shares the cores of this
machine. In the first phase every endpoint answers, in the second every tenth never does; only the
answering endpoints are measured.
"""

import os
import statistics
import time
import uuid
from collections.abc import Collection, Sequence
from typing import Any

import psycopg

from benchmarks import report, stack
from tests.jobs.integrations.webhooks.receiver import Receiver, hanging

ENDPOINTS = int(os.environ.get("BENCHMARK_ENDPOINTS", "1000"))
EVENTS_A_SECOND = int(os.environ.get("BENCHMARK_EVENTS_A_SECOND", "200"))
SECONDS = float(os.environ.get("BENCHMARK_WEBHOOK_SECONDS", "15"))
ONE_IN = 10
TICK_SECONDS = 0.1
LAST_SECONDS = 15.0
GOAL_SECONDS = 2.0

MAKE_ENDPOINTS = """
import uuid
from accounts.models import User
from jobs.integrations.webhooks import endpoints
for number in range({count}):
    user = User.objects.create(email=f"{{uuid.uuid4()}}@example.com")
    endpoints.create_endpoint(
        user_id=user.pk, url=f"{url}/{{number}}", events=[], description="", enabled=True
    )
    print(user.pk)
"""
INSERT = """
INSERT INTO user_events
    (position, user_id, seq, job_id, type, data, internal, hash, created_at)
VALUES (%s, %s, %s, %s, 'job.started', '{}', '{}', %s, now())
"""


class Log:
    """Events of the users in turn, and when each was written."""

    def __init__(self, database: psycopg.Connection, users: Sequence[str]) -> None:
        self._database = database
        self._users = users
        self._position = 0
        self.written: dict[tuple[int, int], float] = {}
        """The time at which each event was written, by the number of its user and its seq."""

    def write(self, count: int) -> None:
        rows: list[tuple[Any, ...]] = []
        for _ in range(count):
            turn, number = divmod(self._position, len(self._users))
            self._position += 1
            seq = turn + 1
            user = self._users[number]
            rows.append((self._position, user, seq, uuid.uuid4(), bytes(32)))
            self.written[number, seq] = time.monotonic()
        with self._database.transaction(), self._database.cursor() as cursor:
            cursor.executemany(INSERT.encode(), rows)

    def write_for(self, seconds: float) -> None:
        begun = time.monotonic()
        for tick in range(round(seconds / TICK_SECONDS)):
            time.sleep(max(0.0, begun + tick * TICK_SECONDS - time.monotonic()))
            self.write(round(EVENTS_A_SECOND * TICK_SECONDS))


def list_arrivals(receiver: Receiver) -> dict[tuple[int, int], float]:
    """Return the time at which each event first arrived."""
    arrivals: dict[tuple[int, int], float] = {}
    for received in list(receiver.received):
        arrivals.setdefault((int(received.path[1:]), received.event["seq"]), received.at)
    return arrivals


def run_phase(log: Log, receiver: Receiver, measured: Collection[int]) -> list[float]:
    """Return the seconds that events of a phase took to reach the measured endpoints."""
    before = set(log.written)
    log.write_for(SECONDS)
    expected = {key for key in set(log.written) - before if key[0] in measured}
    deadline = time.monotonic() + LAST_SECONDS
    while (
        not expected <= (arrivals := list_arrivals(receiver)).keys() and time.monotonic() < deadline
    ):
        time.sleep(0.1)
    missing = len(expected - arrivals.keys())
    assert not missing, f"{missing} events have not arrived"
    return sorted(arrivals[key] - log.written[key] for key in expected)


def main() -> None:
    hang, answer = range(0, ENDPOINTS, ONE_IN), range(1, ENDPOINTS)
    with stack.run_stores() as (var, values), Receiver() as receiver:
        settings = stack.settings(values, LOG_LEVEL="WARNING")
        with stack.run_processes(stack.list_programs(settings, ("migrate", "webhooks")), var):
            url = receiver.url("")
            script = MAKE_ENDPOINTS.format(count=ENDPOINTS, url=url)
            users = stack.run_manage(settings, "shell", "-v", "0", "-c", script).split()
            with psycopg.connect(values["DATABASE_URL"], autocommit=True) as database:
                log = Log(database, users)
                calm = run_phase(log, receiver, range(ENDPOINTS))
                receiver.answers |= {f"/{number}": hanging for number in hang}
                measured = [n for n in answer if n not in hang]
                ours = run_phase(log, receiver, measured)
    p99, calm_p99 = (statistics.quantiles(seconds, n=100)[98] for seconds in (ours, calm))
    report.show(
        benchmark="webhooks",
        title=f"{ENDPOINTS} endpoints, {EVENTS_A_SECOND} events a second: seconds to the receiver",
        columns=("endpoints", "p50 s", "p99 s", "worst s"),
        rows=[
            ("all answer", *format_quantiles(calm)),
            (f"one in {ONE_IN} hangs: the others", *format_quantiles(ours)),
        ],
        ours=1000 * p99,
        baselines={"none hangs": 1000 * calm_p99},
        less_is_better=True,
        goal=f"p99 below {GOAL_SECONDS} s",
        goal_met=p99 < GOAL_SECONDS,
    )


def format_quantiles(seconds: Sequence[float]) -> tuple[str, str, str]:
    p99 = statistics.quantiles(seconds, n=100)[98]
    return f"{statistics.median(seconds):.3f}", f"{p99:.3f}", f"{seconds[-1]:.3f}"


if __name__ == "__main__":
    main()
