"""Whatever happens to jobs in whatever order: the books are right, and every job comes to an end.

`HYPOTHESIS_PROFILE=long` looks for minutes and elsewhere each time; the default is short and the
same each time.
"""

import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, Q
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from credits.models import CreditTransaction
from gpu_tasks.backends.models import LocalCall, LocalCallState
from jobs import books
from jobs.models import ENDED, OPEN, Attempt, Event, Job
from tests.jobs.world import GONE, OUTCOMES, SLOW, World

pytestmark = pytest.mark.django_db(transaction=True)

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
COMMON = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": True,
}
settings.register_profile("short", max_examples=20, stateful_step_count=40, derandomize=True, **COMMON)  # fmt: skip
settings.register_profile("long", max_examples=1000, stateful_step_count=100, **COMMON)
PROFILE = settings.get_profile("long" if LONG else "short")
THREADS = 4
THREAD_SECONDS = 120.0 if LONG else 6.0

SETTLING_ROUNDS = 60
ROUND_SECONDS = 20
"""That long passes per round; all deadlines aside, each repair is due within a few rounds."""

JOBS = st.integers(0, 3)
BACK = st.integers(0, 2)
PLACES = st.integers(0, 5)


# --- What must hold ---------------------------------------------------------------------------


class Witness:
    """Remembers how jobs ended, to see that they stay so."""

    COLUMNS = (
        "status", "credits_cost", "credits_refunded", "output_data", "error_code",
        "error_message", "progress", "attempt_id", "completed_at", "wake_at",
    )  # fmt: skip

    def __init__(self) -> None:
        self._ended: dict[Any, Any] = {}

    def look(self) -> None:
        """Fail if the books are off, an end was changed, or was told twice or never."""
        report = books.check()
        assert not report.findings, report.findings
        ended = {pk: rest for pk, *rest in _ended_jobs().values_list("pk", *self.COLUMNS)}
        for pk, was in self._ended.items():
            assert ended.get(pk) == was, f"ended job {pk} changed"
        self._ended = ended
        ends = Count("pk", filter=Q(type__in=ENDED))
        told = dict(Event.objects.values_list("job").annotate(ends).order_by())
        assert {pk for pk, number in told.items() if number} == set(ended)
        assert set(told.values()) <= {0, 1}


def _ended_jobs() -> Any:
    return Job.objects.filter(status__in=ENDED)


def settle(world: World) -> None:
    """With all faults over, every job ends by itself, and no call goes on without one."""
    world.broker.come_back()
    for _ in range(SETTLING_ROUNDS):
        world.orchestrate()
        while world.broker.deliver(0):
            pass
        LocalCall.objects.filter(state=LocalCallState.QUEUED).update(
            state=LocalCallState.DONE, outcome=OUTCOMES["done"].model_dump(mode="json")
        )
        if not world.open_jobs():
            break
        world.wait(ROUND_SECONDS, deadlines=False)
    left = Job.objects.filter(status__in=OPEN).values_list("status", "attempt__state", "wake_at")
    assert not left, list(left)
    world.orchestrate()
    known = Attempt.objects.exclude(call_id=None).values_list("call_id", flat=True)
    alive = LocalCall.objects.filter(state__in=[LocalCallState.QUEUED, LocalCallState.RUNNING])
    assert not {str(pk) for pk in alive.values_list("pk", flat=True)} & set(known)


# --- One thing after another ------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """Any sequence of what can happen."""

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.witness = Witness()

    @rule(price=st.sampled_from([0, 1, 3, 15]), used=st.integers(0, 15))
    def submit(self, price: int, used: int) -> None:
        self.world.submit(price, used)

    @rule(job=JOBS, charged=st.booleans())
    def run_again(self, job: int, charged: bool) -> None:
        self.world.run_again(job, charged)

    @rule(amount=st.integers(1, 5))
    def grant(self, amount: int) -> None:
        self.world.grant(amount)

    @rule(job=JOBS)
    def cancel(self, job: int) -> None:
        self.world.cancel(job)

    @rule(job=JOBS)
    def requeue(self, job: int) -> None:
        self.world.requeue(job)

    @rule(job=JOBS)
    def give_up(self, job: int) -> None:
        self.world.give_up(job)

    @rule()
    def orchestrate(self) -> None:
        self.world.orchestrate()

    @rule()
    def admit(self) -> None:
        self.world.admit()

    @rule()
    def look_and_die(self) -> None:
        self.world.look_and_die()

    @rule()
    def sweep(self) -> None:
        self.world.sweep()

    @rule(place=PLACES)
    def deliver(self, place: int) -> None:
        self.world.broker.deliver(place)

    @rule()
    def deliver_all(self) -> None:
        self.world.orchestrate()
        while self.world.broker.deliver(0):
            pass

    @rule(place=PLACES)
    def double(self, place: int) -> None:
        self.world.broker.double(place)

    @rule(place=PLACES)
    def drop(self, place: int) -> None:
        self.world.broker.take(place)

    @rule()
    def flush(self) -> None:
        self.world.broker.flush()

    @rule()
    def redis_goes(self) -> None:
        self.world.broker.go_away()

    @rule()
    def redis_comes(self) -> None:
        self.world.broker.come_back()

    @rule(worker=st.sampled_from([GONE, SLOW]), job=JOBS, spawned=st.booleans())
    def claim(self, worker: str, job: int, spawned: bool) -> None:
        self.world.claim(worker, job, spawned)

    @rule(job=JOBS, back=BACK)
    def finish_late(self, job: int, back: int) -> None:
        self.world.finish_late(job, back)

    @rule(
        job=JOBS,
        back=BACK,
        task=st.sampled_from(["prepare", "dispatch", "collect", "finalize", "fail"]),
    )
    def raise_in(self, job: int, back: int, task: str) -> None:
        self.world.raise_in(job, back, task)

    @rule(job=JOBS, back=BACK)
    def begin_call(self, job: int, back: int) -> None:
        self.world.begin_call(job, back)

    @rule(job=JOBS, back=BACK, outcome=st.sampled_from(sorted(OUTCOMES)))
    def end_call(self, job: int, back: int, outcome: str) -> None:
        self.world.end_call(job, back, outcome)

    @rule(
        job=JOBS,
        back=BACK,
        outcome=st.sampled_from(sorted(OUTCOMES)),
        known=st.booleans(),
        times=st.integers(1, 3),
    )
    def report(self, job: int, back: int, outcome: str, known: bool, times: int) -> None:
        self.world.report(job, back, outcome, known, times)

    @rule(job=JOBS, back=BACK, share=st.sampled_from([0.0, 0.3, 0.7, 1.0]))
    def progress(self, job: int, back: int, share: float) -> None:
        self.world.progress(job, back, share)

    @rule(seconds=st.sampled_from([1, 11, 61, 1000, 7 * 3600]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    @invariant()
    def all_is_well(self) -> None:
        self.witness.look()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            settle(self.world)
            self.witness.look()


@pytest.fixture(autouse=True)
def redis_is_back():
    """Whatever a test made of it."""
    yield
    World.restore_redis()


def test_any_sequence():
    run_state_machine_as_test(Life, settings=PROFILE)
