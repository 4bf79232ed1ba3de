"""Whatever happens to jobs in whatever order: the books are right, and every job comes to an end.

`HYPOTHESIS_PROFILE=long` looks for minutes and elsewhere each time; the default is short and the
same each time.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from jobs import queries
from jobs.audit import event_verification as verification
from jobs.audit import ledger_audit
from jobs.calls.backends.models import LocalCall, LocalCallState
from jobs.event_contract import ENDS
from jobs.models import Attempt, Event, Job, UserEvent
from jobs.states import ENDED, OPEN, ClientStatus, list_transitions
from jobs.status import describe_restart, filter_by_status, get_client_status, is_waiting, waits_for
from media.models import MediaStatus
from tests.jobs.broker import Broker
from tests.jobs.world import ALIVE, GONE, OUTCOMES, SLOW, World

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.property,
    pytest.mark.usefixtures("long_watch"),
]

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
COMMON = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": True,
}
SHORT_PROFILE = settings(max_examples=10, stateful_step_count=40, derandomize=True, **COMMON)
LONG_PROFILE = settings(max_examples=300, stateful_step_count=80, **COMMON)
PROFILE = LONG_PROFILE if LONG else SHORT_PROFILE
THREADS = 4
THREAD_SECONDS = 120.0 if LONG else 5.0

SETTLING_ROUNDS = 60
ROUND_SECONDS = 20
"""That long passes per round; all deadlines aside, each repair is due within a few rounds."""

JOBS = st.integers(0, 3)
BACK = st.integers(0, 2)
PLACES = st.integers(0, 5)
LOOK_EVERY = 1 if LONG else 5
TASKS = ("prepare", "dispatch", "collect", "finalize")


# --- What must hold ---------------------------------------------------------------------------


class Witness:
    """Remembers how jobs ended, to see that they stay so."""

    COLUMNS = (
        "status",
        "credits_cost",
        "credits_refunded",
        "output_data",
        "error_code",
        "error_message",
        "progress",
        "attempt_id",
        "completed_at",
        "wake_at",
    )

    def __init__(self) -> None:
        self._ended: dict[Any, Any] = {}

    def look(self) -> None:
        """Fail if the books are off, an end was changed, or was told twice or never."""
        report = ledger_audit.check()
        assert not report.findings, report.findings
        ended = {pk: rest for pk, *rest in _ended_jobs().values_list("pk", *self.COLUMNS)}
        for pk, was in self._ended.items():
            assert ended.get(pk) == was, f"ended job {pk} changed"
        self._ended = ended
        assert not _ended_jobs().filter(status="completed", output_data__isnull=True).exists()
        waiting = Event.objects.filter(type__in=ENDED).values_list("job", flat=True)
        user_events = UserEvent.objects.filter(type__in=ENDS).values_list("job", flat=True)
        assert sorted([*waiting, *user_events]) == sorted(ended), "an end was told twice or never"
        events = verification.check()
        assert not events.findings, events.findings
        assert not _cursors_too_high(), "a rank is taken by no job"


class Onlooker:
    """Somebody who looks at their jobs: lists hold what is shown, and progress has its reasons."""

    def __init__(self) -> None:
        self._progress: dict[Any, float] = {}

    def look(self, user_id: UUID) -> None:
        """Fail if a job is listed as what it is not, or its progress fell within an attempt."""
        listed = {name: filter_by_status(name) for name in ClientStatus.values}
        for job in queries.list_jobs(user_id).annotate(**{f"in_{k}": v for k, v in listed.items()}):
            assert [name for name in listed if getattr(job, f"in_{name}")] == [
                get_client_status(job)
            ]
            is_in_queue = is_waiting(job) and waits_for(job) is None
            assert (queries.compute_queue_position(job) is not None) is is_in_queue
            attempt = job.attempt.number if job.attempt else 1
            assert job.progress >= self._progress.get((job.pk, attempt), 0.0)
            self._progress[job.pk, attempt] = job.progress
            assert attempt == 1 or describe_restart(job, job.lost_because)


def _ended_jobs() -> Any:
    return Job.objects.filter(status__in=ENDED)


def _cursors_too_high() -> list[Any]:
    """Cursors beyond the class's clock and every job that waits or was ever admitted."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM fair_queue_cursors c LEFT JOIN gpu_pools USING (gpu_class)"
            " WHERE c.rank > greatest(clock, 0, ("
            "  SELECT max(j.rank) FROM jobs j"
            "  WHERE j.user_id = c.user_id AND j.gpu_class = c.gpu_class"
            "    AND (j.status = 'pending' OR j.attempt_id IS NOT NULL)))"
        )
        return cursor.fetchall()


def settle(world: World) -> None:
    """With all faults over, every job ends by itself, and no call goes on without one."""
    world.broker.come_back()
    world.end_checks()
    for _ in range(SETTLING_ROUNDS):
        world.orchestrate()
        while world.broker.deliver(0):
            pass
        _run_wanted_calls()
        if not world.open_jobs():
            break
        world.wait(ROUND_SECONDS, deadlines=False)
    jobs = Job.objects.filter(status__in=OPEN).values_list("status", "attempt__state", "wake_at")
    assert not jobs, list(jobs)
    world.orchestrate()
    alive = LocalCall.objects.filter(state__in=ALIVE).values_list("pk", flat=True)
    for_nobody = Attempt.objects.filter(call_id__in=[str(pk) for pk in alive])
    assert not for_nobody, str(for_nobody.values())


def _run_wanted_calls() -> None:
    """Workers get to calls once those that nobody wants should have been stopped."""
    jobs = Job.objects.filter(status__in=OPEN).values("attempt_id")
    LocalCall.objects.filter(state=LocalCallState.QUEUED, attempt_id__in=jobs).update(
        state=LocalCallState.DONE, outcome=OUTCOMES["done"].model_dump(mode="json")
    )


# --- One thing after another ------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """Any sequence of what can happen; what goes wrong shares few rules, for jobs to get far."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self.world = World(broker, balance=20, most=4)
        self.witness = Witness()
        self.onlooker, self.steps = Onlooker(), 0
        self.steps_without_redis = 0
        self.world.submit(5, 3)
        self.world.submit(3, 3)
        self.deliver_some(4)

    @rule(price=st.sampled_from([0, 1, 3, 15]), used=st.integers(0, 15))
    def submit(self, price: int, used: int) -> None:
        self.world.submit(price, used)

    @rule(price=st.sampled_from([0, 1, 3, 15]), used=st.integers(0, 15))
    def submit_for_media_being_checked(self, price: int, used: int) -> None:
        self.world.submit(price, used, waits=True)

    @rule(
        status=st.sampled_from([MediaStatus.READY, MediaStatus.READY, MediaStatus.REJECTED]),
        is_told=st.booleans(),
    )
    def end_check(self, status: str, is_told: bool) -> None:
        self.world.end_check(status=status, is_told=is_told)

    @rule()
    def orchestrate(self) -> None:
        self.world.orchestrate()

    @rule(place=PLACES)
    def deliver(self, place: int) -> None:
        self.world.orchestrate()
        self.world.broker.deliver(place)

    @rule(place=PLACES, goes_on=st.booleans())
    def deliver_what_was_sent(self, place: int, goes_on: bool) -> None:
        self.world.broker.deliver(place, goes_on=goes_on)

    @rule(number=st.integers(1, 4))
    def deliver_some(self, number: int) -> None:
        self.world.orchestrate()
        for _ in range(number):
            self.world.broker.deliver(0)

    @rule(worker=st.sampled_from([GONE, SLOW]), place=PLACES, spawned=st.booleans())
    def deliver_to(self, worker: str, place: int, spawned: bool) -> None:
        self.world.orchestrate()
        self.world.deliver_to(worker, place, spawned)

    @rule(job=JOBS, outcome=st.sampled_from(["done", "done", *OUTCOMES]), told=st.booleans())
    def end_call(self, job: int, outcome: str, told: bool) -> None:
        if told:
            self.world.report(job, 0, outcome, 2)
        else:
            self.world.end_call(job, 0, outcome)

    @rule(seconds=st.sampled_from([1, 6, 11, 61]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)
        self.world.orchestrate()

    @rule(job=JOBS, back=BACK, task=st.sampled_from([None, None, *TASKS]))
    def too_late(self, job: int, back: int, task: str | None) -> None:
        if task is None:
            self.world.finish_late(job, back)
        else:
            self.world.raise_in(job, back, task)

    @rule(job=JOBS, act=st.sampled_from(["cancel", "requeue", "requeue", "run_again", "expire"]))
    def meddle(self, job: int, act: str) -> None:
        beyond = self.world.delivering()
        {
            "cancel": lambda: self.world.cancel(job),
            "requeue": lambda: self.world.requeue(job),
            "run_again": lambda: self.world.run_again(job, charged=True),
            "expire": lambda: self.world.expire(job),
        }[act]()
        assert self.world.delivering() == beyond, "past the point of no return"

    @rule(
        place=PLACES,
        act=st.sampled_from(["double", "drop", "flush", "redis_goes"]),
    )
    def lose(self, place: int, act: str) -> None:
        {
            "double": lambda: self.world.broker.double(place),
            "drop": lambda: self.world.broker.take(place),
            "flush": self.world.broker.flush,
            "redis_goes": self.redis_goes,
        }[act]()

    @rule(job=JOBS, back=BACK, act=st.sampled_from(["begin", "progress", "end", "report", "forge"]))
    def call(self, job: int, back: int, act: str) -> None:
        {
            "begin": lambda: self.world.begin_call(job, back),
            "progress": lambda: self.world.progress(job, back, 0.5),
            "end": lambda: self.world.end_call(job, back, "lost"),
            "report": lambda: self.world.report(job, back, "done", 3),
            "forge": lambda: self.world.forge(job, back, "oom"),
        }[act]()

    @rule(act=st.sampled_from(["look", "admit", "sweep", "grant", "minutes", "hours", "days"]))
    def seldom(self, act: str) -> None:
        {
            "look": self.world.look_and_die,
            "admit": self.world.admit,
            "sweep": self.world.sweep,
            "grant": lambda: self.world.grant(5),
            "minutes": lambda: self.world.wait(1000),
            "hours": lambda: self.world.wait(7 * 3600),
            "days": lambda: self.world.wait(80 * 3600),
        }[act]()

    def redis_goes(self) -> None:
        self.world.broker.go_away()
        self.steps_without_redis = 4

    @invariant()
    def all_is_well(self) -> None:
        self.witness.look()
        self.steps += 1
        if self.steps % LOOK_EVERY == 0:
            self.onlooker.look(self.world.user.pk)
        self.steps_without_redis -= 1
        if self.steps_without_redis == 0:
            self.world.broker.come_back()

    def teardown(self) -> None:
        settle(self.world)
        self.witness.look()


NOTE_MOVES = """
CREATE TABLE seen_moves (before text, after text, PRIMARY KEY (before, after));
CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO seen_moves VALUES (OLD.state, NEW.state) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER note_move AFTER UPDATE OF state ON job_attempts
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION note_move()"""


@pytest.fixture(autouse=True)
def _seen_moves(transactional_db: None) -> Iterator[None]:
    """Whatever attempts do meanwhile, they move as the table of states says."""
    with connection.cursor() as cursor:
        cursor.execute(NOTE_MOVES)
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT before, after FROM seen_moves")
        seen = set(cursor.fetchall())
        cursor.execute("DROP TRIGGER note_move ON job_attempts")
        cursor.execute("DROP FUNCTION note_move; DROP TABLE seen_moves")
    assert seen, "nothing has moved"
    assert seen <= list_transitions(), seen - list_transitions()


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Redis, there again for the next test."""
    new_broker = Broker()
    yield new_broker
    new_broker.come_back()
    new_broker.flush()


@pytest.mark.timeout(3600)  # the long profile; and a failure takes minutes to be made small
def test_any_sequence(broker):
    run_state_machine_as_test(lambda: Life(broker), settings=PROFILE)


# --- All at once ------------------------------------------------------------------------------


def something(world: World, chance: random.Random) -> None:
    """One of the things that can happen; most often what helps jobs on, or locks one."""
    job, back, index = chance.randrange(4), chance.choice([0, 0, 0, 1, 2]), chance.randrange(6)
    outcome = chance.choice([*OUTCOMES, "done", "done"])
    often = [
        world.orchestrate,
        lambda: world.broker.deliver(index),
        lambda: world.broker.deliver(index, goes_on=chance.random() < 0.5),
        lambda: world.report(job, back, outcome, 2),
        lambda: world.wait(chance.choice([1, 11, 61])),
        lambda: world.submit(chance.choice([0, 1, 3]), chance.randrange(4)),
        lambda: world.submit(chance.choice([0, 1, 3]), chance.randrange(4), waits=True),
        lambda: world.end_check(
            status=chance.choice([MediaStatus.READY, MediaStatus.REJECTED]),
            is_told=chance.random() < 0.5,
        ),
        lambda: world.keep(job, 0.02),
        lambda: world.keep(job, 0.02),
    ]
    seldom = [
        lambda: world.run_again(job, chance.random() < 0.5),
        lambda: world.grant(1),
        lambda: world.cancel(job),
        lambda: world.requeue(job),
        lambda: world.requeue(job),
        lambda: world.expire(job),
        world.look_and_die,
        world.sweep,
        lambda: world.broker.double(index),
        lambda: world.broker.take(index),
        lambda: world.deliver_to(chance.choice([GONE, SLOW]), index, chance.random() < 0.5),
        lambda: world.finish_late(job, back),
        lambda: world.raise_in(job, back, chance.choice(TASKS)),
        lambda: world.begin_call(job, back),
        lambda: world.end_call(job, back, outcome),
        lambda: world.forge(job, back, outcome),
        lambda: world.progress(job, back, chance.random()),
    ]
    act: Callable[[], Any] = chance.choice(chance.choice([often, often, seldom]))
    act()


def until_stopped(stop: threading.Event, act: Callable[[], None]) -> None:
    """Do it again and again, on this thread's own connection."""
    try:
        while not stop.is_set():
            act()
    except BaseException:
        stop.set()
        raise
    finally:
        connection.close()


def watch(witness: Witness) -> None:
    """Look at one instant while all goes on."""
    with transaction.atomic(), ledger_audit.consistent_snapshot(timedelta(seconds=10)):
        witness.look()
    time.sleep(0.05)


def deadlocks() -> int:
    """How many PostgreSQL has broken up in this database, as far as it has been told."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_all_at_once(broker):
    world, before, stop = World(broker, balance=500, most=3), deadlocks(), threading.Event()
    seed = random.randrange(10**6) if LONG else 0
    acting = [partial(something, world, random.Random(seed + number)) for number in range(THREADS)]
    witness = Witness()
    with ThreadPoolExecutor(THREADS + 1) as pool:
        futures = [
            pool.submit(until_stopped, stop, act) for act in [*acting, partial(watch, witness)]
        ]
        stop.wait(THREAD_SECONDS)
        stop.set()
    for future in futures:
        future.result()
    settle(world)
    witness.look()
    assert deadlocks() == before, f"seed {seed}"
