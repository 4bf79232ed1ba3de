"""Run jobs for `benchmarks.growth` in a process: `python -m benchmarks.hot_path USERS`.

It runs batches of jobs from submission to end, by the functions that the API, the orchestrator and
the workers call: submit, admit, wake, work, report, deliver and number; some are cancelled with a
refund. There is no HTTP and there are no messages, so little else than statements is measured. Each
order is a line of JSON, answered by a line.
"""

import json
import os
import random
import sys
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")

import django

django.setup()

from django.db import connection
from django.http import HttpRequest, HttpResponse

from auteur.core.api.request_ids import RequestId
from benchmarks.submitter import ByDjango
from gpu_tasks.runtime.contract import EngineInfo, Outcome
from jobs import lifecycle, tasks, watermarks
from jobs.calls.backends.base import Call, CallState, CallStatus
from jobs.events.numbering import number_events
from jobs.models import Event
from jobs.orchestrator import admission, due
from jobs.orchestrator.loop import FLOOR_SECONDS
from jobs.publishing import WakeUp
from jobs.states import COMPLETED_STATES, FEATURE_STATES, AttemptState, chain_of

BATCH = 50
CANCELLED = 5
"""The number of cancelled jobs in a batch."""
OUTCOME = Outcome(result={}, engine=EngineInfo(name="echo", model="none"), seconds=1.0)


@dataclass(frozen=True)
class RunTotals:
    """The cost of some jobs."""

    jobs: int
    seconds: float
    server_cpu_seconds: float
    """Processor time of the connection's server process."""


class Backend:
    """A backend that only records calls; `run_jobs` reports their outcomes."""

    poll_seconds = 30.0
    calls: ClassVar[dict[uuid.UUID, str]] = {}

    def spawn(self, calls: Sequence[Call]) -> dict[uuid.UUID, str]:
        started = {call.attempt_id: uuid.uuid4().hex for call in calls}
        Backend.calls |= started
        return started

    def poll(self, call_ids: Collection[str]) -> Mapping[str, CallStatus]:
        return {call_id: CallStatus(CallState.RUNNING) for call_id in call_ids}

    def stop(self, call_ids: Collection[str]) -> None:
        pass


def run_jobs(users: Iterator[uuid.UUID], way: ByDjango) -> int:
    """Run a batch of jobs from submission to end; return their number."""
    for _ in range(BATCH):
        RequestId(lambda request: _submit(users, way))(HttpRequest())
    for job_id in _list_new_jobs(CANCELLED):
        lifecycle.cancel(job_id=job_id, by="user")
    while admission.admit_all():
        pass
    _work(due.claim_due(states=FEATURE_STATES, types=["noop"]))
    for attempt_id, call_id in sorted(Backend.calls.items()):
        lifecycle.report_outcome(attempt_id=attempt_id, call_id=call_id, outcome=OUTCOME)
    Backend.calls.clear()
    reported = due.claim_due(states=COMPLETED_STATES, types=["noop"])
    if len(reported) != BATCH - CANCELLED:
        raise RuntimeError(f"{len(reported)} of {BATCH - CANCELLED} calls have reported")
    _work(reported)
    while number_events():
        pass
    return BATCH


def _submit(users: Iterator[uuid.UUID], way: ByDjango) -> HttpResponse:
    way.submit(next(users))
    return HttpResponse()


def _list_new_jobs(number: int) -> list[uuid.UUID]:
    """Return the jobs that this batch has just submitted, from the outbox of events."""
    return list(Event.objects.order_by("-id").values_list("job_id", flat=True)[:number])


def _work(woken: Sequence[WakeUp]) -> None:
    by_state: dict[AttemptState, list[str]] = {}
    for wake_up in woken:
        by_state.setdefault(wake_up.state, []).append(str(wake_up.attempt_id))
    for state, attempt_ids in by_state.items():
        for step in chain_of(state):
            getattr(tasks, step.name)(attempt_ids)


def run_batches(users: Iterator[uuid.UUID], way: ByDjango, jobs: int) -> RunTotals:
    """Run batches until there are at least this many jobs; return their cost."""
    pid = _backend_pid()
    before, started, done = _cpu_seconds(pid), time.perf_counter(), 0
    looked = started - FLOOR_SECONDS
    while done < jobs:
        if time.perf_counter() - looked > FLOOR_SECONDS:  # as the orchestrator does
            looked = time.perf_counter()
            watermarks.raise_watermarks()
        done += run_jobs(users, way)
    took = RunTotals(done, time.perf_counter() - started, _cpu_seconds(pid) - before)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT 1")
    return took


def _backend_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _cpu_seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def main() -> None:
    everyone = [uuid.UUID(line) for line in Path(sys.argv[1]).read_text().split()]
    chance = random.Random(1)  # noqa: S311 - the same ones each time
    users = iter(lambda: chance.choice(everyone), None)
    way = ByDjango(True, everyone[0])
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(run_batches(users, way, json.loads(line)["jobs"]))), flush=True)


if __name__ == "__main__":
    # The backend that settings name is of the module with this name.
    from benchmarks import hot_path  # noqa: PLW0406

    hot_path.main()
