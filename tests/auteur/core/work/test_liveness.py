"""Who is lost and who is merely slow: by evidence, or by a silence that is theirs alone."""

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from auteur.core.database.clock import MAX_SKEW_SECONDS, ClockSkewError, check_skew, measure_skew
from auteur.core.database.roles import TIMEOUTS
from auteur.core.work import liveness
from auteur.devstack.processes import BASE_DIR
from jobs import heartbeat, sql
from jobs.calls.backends import local
from jobs.calls.backends.base import CallState
from jobs.calls.backends.models import LocalCall, LocalCallState
from jobs.models import Attempt, Job, WorkerHeartbeat
from jobs.orchestrator import calls, clock_skew, repair
from jobs.states import DISPATCH, AttemptState
from tests.jobs.walk import bring_to
from tests.properties import examples

BEAT, CONNECT = settings.HEARTBEAT_SECONDS, settings.DATABASE_CONNECT_SECONDS
SILENCE, LEASE = settings.DATABASE_SILENCE_SECONDS, settings.WORKER_LEASE_SECONDS
FAST = timedelta(seconds=61)
ELSEWHERE = "host:0123456789ab:7:9"


class Clock:
    """Seconds, as a watch sees them pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    result = Clock()
    monkeypatch.setattr(liveness.time, "monotonic", result)
    return result


@pytest.fixture
def dead() -> Iterator[str]:
    """The name of a process that was killed, and whose parent has not asked for it yet."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    name = liveness.build_process_name(os.getpid(), child.pid)
    assert not liveness.is_process_dead(name)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    yield name
    child.wait()


def test_only_the_dead_of_this_machine_are_known_to_be_gone(dead: str) -> None:
    assert liveness.is_process_dead(dead)
    assert not liveness.is_process_dead(liveness.build_process_name(os.getppid(), os.getpid()))
    for other in ("", "gone", ELSEWHERE, liveness.build_process_name("x"), "other" + dead):
        assert not liveness.is_process_dead(other)


@pytest.mark.django_db
def test_a_process_has_one_name_for_steps_and_calls_and_it_tells_the_parent() -> None:
    name = heartbeat.current_worker()
    heartbeat.stop_heartbeat()
    assert name == liveness.get_process_name() == local.CALLS.create_holder()
    assert name.startswith(liveness.build_process_name(os.getppid(), ""))
    assert not liveness.is_process_dead(name)


def test_a_lease_outlasts_all_that_may_delay_a_sign_of_life() -> None:
    hung = max(SILENCE, float(TIMEOUTS["statement_timeout"].removesuffix("s")))
    assert hung + 2 * (BEAT + CONNECT) <= LEASE < 60


@pytest.mark.parametrize(("option", "seconds"), [("", LEASE), ("?connect_timeout=20", LEASE + 30)])
def test_a_lease_grows_with_the_time_outs_that_are_set(option: str, seconds: float) -> None:
    show = "from auteur import settings; print(settings.WORKER_LEASE_SECONDS)"
    result = subprocess.run(
        [sys.executable, "-c", show],
        env={**os.environ, "DATABASE_URL": f"postgres://u@localhost/d{option}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(result.stdout) == seconds


@pytest.mark.property
@pytest.mark.django_db
@given(gaps=st.lists(st.floats(0.1, 20.0), min_size=1, max_size=40))
@examples(50, 2000)
def test_who_has_not_listened_for_a_lease_without_a_gap_judges_nobody(gaps: list[float]) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(liveness.time, "monotonic", clock)
        with liveness.watch_database() as watch:
            unbroken = 0.0
            for gap in gaps:
                clock.now += gap
                late = gap > liveness.LATE_SECONDS
                assert not (late and liveness.can_expire_leases())
                watch.check()
                unbroken = 0.0 if late else unbroken + gap
                assert liveness.can_expire_leases() is (unbroken >= LEASE)
    assert not liveness.can_expire_leases()


@pytest.mark.django_db(transaction=True)
def test_an_outage_of_the_database_begins_the_watch_anew(clock: Clock) -> None:
    with liveness.watch_database() as watch:
        for _ in range(int(LEASE / BEAT) + 1):
            clock.now += BEAT
            watch.check()
        assert liveness.can_expire_leases()
        lose_connection()
        with pytest.raises(Exception, match=r"terminat|closed"):
            watch.check()
        connection.close()
        clock.now += 2 * liveness.LATE_SECONDS
        watch.check()
        assert not liveness.can_expire_leases()


def lose_connection() -> None:
    assert isinstance(connection.connection, psycopg.Connection)
    info = connection.connection.info
    with psycopg.connect(info.dsn, password=connection.settings_dict["PASSWORD"]) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [info.backend_pid])


# --- Calls ------------------------------------------------------------------------------------


def call(worker: str, silent_for: float) -> str:
    row = LocalCall.objects.create(
        attempt_id=uuid.uuid4(),
        function="transcription",
        engine="draft",
        queue="gpu.cpu",
        payload={},
        state=LocalCallState.RUNNING,
        worker=worker,
        lease_expires_at=Now() + timedelta(seconds=LEASE - silent_for),
    )
    return str(row.pk)


def state_of(call_id: str) -> CallState:
    return local.LocalBackend().poll([call_id])[call_id].state


@pytest.mark.django_db
@pytest.mark.usefixtures("long_watch")
@pytest.mark.parametrize(
    ("silent_for", "state"),
    [
        (8.0, CallState.RUNNING),
        (BEAT + SILENCE, CallState.RUNNING),
        (BEAT + SILENCE + BEAT + CONNECT, CallState.RUNNING),
        (LEASE + 1, CallState.LOST),
    ],
)
def test_a_call_whose_worker_is_slow_runs_and_one_that_is_silent_is_lost(
    silent_for: float, state: CallState
) -> None:
    assert state_of(call(ELSEWHERE, silent_for)) is state


@pytest.mark.django_db
def test_after_an_outage_of_ours_a_silent_call_has_a_lease_more(clock: Clock) -> None:
    silent = call(ELSEWHERE, silent_for=10 * LEASE)
    with liveness.watch_database() as watch:
        while clock.now < LEASE - BEAT:
            clock.now += BEAT
            watch.check()
            assert state_of(silent) is CallState.RUNNING
        clock.now += BEAT
        watch.check()
        assert state_of(silent) is CallState.LOST


@pytest.mark.django_db
def test_who_does_not_watch_the_database_takes_no_silent_call_for_lost() -> None:
    assert state_of(call(ELSEWHERE, silent_for=10 * LEASE)) is CallState.RUNNING
    assert local.CALLS.expire() == 0


@pytest.mark.django_db
def test_a_call_of_a_killed_process_is_lost_at_once_whoever_has_listened(dead: str) -> None:
    with liveness.watch_database():
        assert state_of(call(dead, silent_for=0)) is CallState.LOST


@pytest.mark.django_db
def test_the_pool_lets_go_of_the_calls_of_its_killed_child(dead: str) -> None:
    killed, other = call(dead, silent_for=0), call(ELSEWHERE, silent_for=0)
    local.expire_killed_calls()
    states = dict(LocalCall.objects.values_list("pk", "state"))
    assert states == {uuid.UUID(killed): "cancelled", uuid.UUID(other): "running"}


# --- Steps ------------------------------------------------------------------------------------


@pytest.fixture
def dispatching(make_job: Callable[[], Job]) -> Attempt:
    """A job whose step cannot be repeated."""
    attempt = bring_to(make_job(), AttemptState.DISPATCHING)
    Job.objects.update(wake_at=Now())
    return attempt


def held_by(attempt: Attempt, worker: str, silent_for: float) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(worker=worker)
    beat_at = Now() - timedelta(seconds=silent_for)
    WorkerHeartbeat.objects.update_or_create(name=worker, defaults={"beat_at": beat_at})


def is_still_held(attempt: Attempt) -> bool:
    Job.objects.update(wake_at=Now())
    repair.reconcile()
    attempt.refresh_from_db()
    return attempt.state == DISPATCH.holds


@pytest.mark.usefixtures("long_watch")
@pytest.mark.parametrize(("silent_for", "is_held"), [(8.0, True), (LEASE + 1, False)])
def test_a_slow_worker_keeps_its_step(
    dispatching: Attempt, silent_for: float, is_held: bool
) -> None:
    held_by(dispatching, ELSEWHERE, silent_for)
    assert is_still_held(dispatching) is is_held


def test_after_an_outage_of_ours_steps_have_a_lease_more(
    dispatching: Attempt, clock: Clock
) -> None:
    held_by(dispatching, ELSEWHERE, 10 * LEASE)
    Attempt.objects.update(lease_expires_at=Now())
    with liveness.watch_database() as watch:
        assert is_still_held(dispatching)
        while clock.now < LEASE:
            clock.now += BEAT
            watch.check()
        assert not is_still_held(dispatching)


def test_a_step_of_a_killed_process_is_lost_at_once(dispatching: Attempt, dead: str) -> None:
    held_by(dispatching, dead, silent_for=0)
    with liveness.watch_database():
        assert not is_still_held(dispatching)


@pytest.mark.django_db
def test_the_dead_of_this_machine_are_buried_and_no_others(dead: str) -> None:
    for name in (dead, ELSEWHERE):
        WorkerHeartbeat.objects.create(name=name)
    assert heartbeat.delete_dead_workers() == [dead]
    assert heartbeat.list_living({dead, ELSEWHERE}) == {ELSEWHERE}


@pytest.mark.django_db
def test_who_was_silent_in_an_outage_of_hours_is_not_forgotten(
    clock: Clock, request: pytest.FixtureRequest
) -> None:
    beat_at = Now() - 2 * heartbeat.FORGOTTEN_AFTER
    WorkerHeartbeat.objects.create(name=ELSEWHERE, beat_at=beat_at)
    assert heartbeat.delete_stale_workers() == 0
    with liveness.watch_database() as watch:
        watch.check()
        assert heartbeat.delete_stale_workers() == 0
        assert heartbeat.list_living({ELSEWHERE}) == {ELSEWHERE}
        while clock.now < LEASE:
            clock.now += BEAT
            watch.check()
        assert heartbeat.delete_stale_workers() == 1


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_is_one_round_trip(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(2):
        with django_assert_num_queries(1):
            heartbeat._renew_heartbeat(ELSEWHERE)
    row = WorkerHeartbeat.objects.get()
    assert row.name == ELSEWHERE
    assert WorkerHeartbeat.objects.filter(beat_at__gt=Now() - timedelta(minutes=1)).exists()


# --- Clocks -----------------------------------------------------------------------------------


@pytest.fixture
def fast_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine's clock, as Django and Python tell it, be 61 s ahead."""
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + FAST)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + FAST.total_seconds())


@pytest.mark.usefixtures("fast_clock", "long_watch")
def test_a_fast_clock_takes_no_work_from_living_workers(dispatching: Attempt) -> None:
    held_by(dispatching, ELSEWHERE, silent_for=0)
    Attempt.objects.update(lease_expires_at=Now() + FAST - timedelta(seconds=1))
    Job.objects.update(deadline_at=Now() + FAST - timedelta(seconds=1))
    assert is_still_held(dispatching)
    dispatching.job.refresh_from_db()
    assert dispatching.job.completed_at is None


@pytest.mark.usefixtures("fast_clock", "long_watch")
def test_a_fast_clock_ends_no_running_call(make_job: Callable[[], Job]) -> None:
    attempt = bring_to(make_job(), AttemptState.RUNNING)
    running = LocalCall.objects.get(pk=call(ELSEWHERE, silent_for=0))
    Attempt.objects.update(
        call_id=str(running.pk),
        started_at=Now(),
        lease_expires_at=Now() + FAST - timedelta(seconds=1),
    )
    Job.objects.update(wake_at=Now())
    calls.follow()
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.RUNNING


@pytest.mark.django_db
def test_who_has_a_wrong_clock_judges_nobody_until_it_is_right(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    skew = FAST.total_seconds()
    with liveness.watch_database(lambda: time.time() + skew) as watch:
        while clock.now < 2 * LEASE:
            clock.now += BEAT
            watch.check()
        assert watch.skew_seconds == pytest.approx(skew, abs=1)
        assert not liveness.can_expire_leases()
        lines = [record for record in caplog.records if "PostgreSQL's" in record.message]
        assert len(lines) == 2 * LEASE // liveness.SKEW_LOG_SECONDS + 1
        skew = 0.0
        watch.check()
        assert liveness.can_expire_leases()


@pytest.mark.django_db
def test_a_slow_answer_is_not_taken_for_a_wrong_clock() -> None:
    began = time.time()
    answers = iter([began - 20, began + 10])
    assert measure_skew(lambda: next(answers)) == 0
    answers = iter([began, began + 10])
    assert measure_skew(lambda: next(answers)) == pytest.approx(0, abs=0.5)
    answers = iter([began + 100, began + 110])
    assert measure_skew(lambda: next(answers)) == pytest.approx(100, abs=1)


@pytest.mark.parametrize("seconds", [0.0, MAX_SKEW_SECONDS, -MAX_SKEW_SECONDS])
def test_the_largest_skew_is_allowed(seconds: float) -> None:
    check_skew(seconds)


@pytest.mark.parametrize(("seconds", "where"), [(1.01, "ahead of"), (-1.01, "behind")])
def test_more_skew_is_refused_with_what_to_do(seconds: float, where: str) -> None:
    with pytest.raises(ClockSkewError, match=rf"1\.0 s {where} PostgreSQL's.*NTP"):
        check_skew(seconds)


@pytest.mark.parametrize("command", ["orchestrate", "partner_consumer"])
def test_a_process_that_judges_leases_does_not_start_with_a_fast_clock(command: str) -> None:
    code = (
        "import sys, time; now = time.time; time.time = lambda: now() + 61\n"
        "from django.core.management import execute_from_command_line\n"
        "execute_from_command_line(['manage.py', sys.argv[1]])"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, command],
        cwd=BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "auteur.settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert process.returncode == 1
    assert "s ahead of PostgreSQL's; at most 1 s is allowed" in process.stderr


@pytest.mark.django_db
def test_the_skew_of_each_machine_is_kept_as_long_as_it_is_measured() -> None:
    clock_skew.store(0.25)
    others: dict[str, Any] = {"figure": clock_skew.NAME, "host": "other", "seconds": -2.0}
    sql.run("store_clock_skew", **others, forgotten_after=clock_skew.FORGOTTEN_AFTER)
    assert dict(clock_skew.stored()) == {socket.gethostname(): 0.25, "other": -2.0}
    clock_skew.store(0.5)
    assert dict(clock_skew.stored()) == {socket.gethostname(): 0.5, "other": -2.0}
    sql.run("store_clock_skew", **others, forgotten_after=timedelta(0))
    assert dict(clock_skew.stored()) == {"other": -2.0}
