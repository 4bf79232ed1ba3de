"""From where queues are read."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from jobs import watermarks
from jobs.events.numbering import number_events
from jobs.models import Event, Job
from jobs.orchestrator import admission, due
from jobs.states import FEATURE_STATES
from jobs.watermarks import (
    FULL_READING_SECONDS,
    MIN_READING_AGE_SECONDS,
    WatermarkKeeper,
    Watermarks,
)
from tests.jobs.walk import admit, number_all
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

SETTLED = MIN_READING_AGE_SECONDS + 0.1
OTHERS_SECONDS = 240.0
"""For transactions of all databases of the server: a test of another worker is one."""


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> WatermarkKeeper:
    """Whose floors this process goes by; its times are seconds since it was made."""
    watermark_keeper = WatermarkKeeper()
    watermark_keeper._whole_at = 0.0
    monkeypatch.setattr(watermarks, "_keeper", watermark_keeper)
    return watermark_keeper


@pytest.fixture
def elsewhere() -> Iterator[psycopg.Connection]:
    """Another session, in a transaction of its own."""
    with psycopg.connect(**connection.get_connection_params() | {"context": None}) as session:
        yield session
        session.rollback()


def settle(keeper: WatermarkKeeper, at: float) -> None:
    """Look until all transactions of the look before have ended: those of other tests, too."""

    def is_settled() -> bool:
        keeper.look(at)
        return keeper._earlier is not None and keeper._earlier.at == at

    until(is_settled, OTHERS_SECONDS, interval=0.1)


def raised(keeper: WatermarkKeeper) -> Watermarks:
    keeper.look(0.0)
    settle(keeper, SETTLED)
    return watermarks.current_watermarks()


def woken() -> int:
    return len(due.claim_due(states=FEATURE_STATES, types=["transcription"]))


def test_who_never_looks_reads_from_the_beginning() -> None:
    assert watermarks.current_watermarks() == Watermarks()


def test_whatever_waits_is_found_from_the_floors_on(keeper, make_job) -> None:
    admitted = admit(make_job())
    waiting = make_job()
    results = raised(keeper)
    waiting.refresh_from_db()
    assert results.wake_at <= Job.objects.get(pk=admitted.job_id).wake_at
    assert results.of(admitted.gpu_class).attempts_from == admitted.created_at
    assert results.of(waiting.gpu_class).waiting_from <= (waiting.rank, waiting.created_at)
    assert results.event_id == Event.objects.earliest("pk").pk
    assert woken() == 1
    assert admission.admit_all() == 1
    assert number_events() == 2


def test_where_nothing_waits_the_queues_begin_with_what_comes(keeper, make_job) -> None:
    admit(make_job())
    Job.objects.update(wake_at=timezone.now() + timedelta(hours=1))
    number_all()
    before = timezone.now()
    assert raised(keeper).event_id > 1
    job = make_job()
    admit(job)
    assert watermarks.current_watermarks().wake_at < before + timedelta(hours=1)
    assert woken() == 1
    assert number_events() == 1


@pytest.mark.parametrize(
    ("seconds", "is_raised"),
    [(MIN_READING_AGE_SECONDS, False), (SETTLED, True)],
    ids=["early", "settled"],
)
def test_a_look_counts_once_it_has_settled(keeper, make_job, seconds, is_raised) -> None:
    make_job()
    keeper.look(0.0)
    settle(keeper, seconds) if is_raised else keeper.look(seconds)
    assert (watermarks.current_watermarks() != Watermarks()) == is_raised


def test_no_floor_rises_over_what_an_open_transaction_may_write(
    keeper, elsewhere, make_job
) -> None:
    job = make_job()
    number_all()
    elsewhere.execute(
        "INSERT INTO job_events (job_id, user_id, type, data) VALUES (%s, %s, 'requeued', '{}')",
        [job.pk, job.user_id],
    )
    keeper.look(0.0)
    keeper.look(SETTLED)
    assert watermarks.current_watermarks() == Watermarks()
    elsewhere.commit()
    settle(keeper, 2 * SETTLED)
    event = Event.objects.get()
    assert watermarks.current_watermarks().event_id == event.pk
    assert number_events() == 1


def test_what_comes_in_below_is_found_by_the_next_look_at_all(keeper, make_job) -> None:
    admit(make_job())
    Job.objects.update(wake_at=timezone.now() + timedelta(hours=1))
    raised(keeper)
    Job.objects.update(wake_at=timezone.now() - timedelta(hours=1))
    assert woken() == 0
    keeper.look(FULL_READING_SECONDS)
    assert woken() == 0
    keeper.look(FULL_READING_SECONDS + 0.1)
    assert woken() == 1


def test_of_those_of_one_rank_the_later_ones_are_above_the_floor(keeper, make_job) -> None:
    gone = make_job()
    admitted = admit(gone)
    before = timezone.now()
    results = raised(keeper).of(admitted.gpu_class)
    assert results.waiting_from > (gone.rank, before)
    later = make_job()
    Job.objects.filter(pk=later.pk).update(rank=results.waiting_from[0])
    assert admission.admit_all() == 1


def test_a_newcomer_may_come_before_all_that_wait(keeper, make_job, make_user) -> None:
    first = make_job()
    for _ in range(3):
        make_job()
    Job.objects.filter(pk=first.pk).update(rank=50)
    Job.objects.exclude(pk=first.pk).update(rank=60)
    results = raised(keeper).of(first.gpu_class)
    newcomer = make_job(make_user(balance=100))
    newcomer.refresh_from_db()
    assert (newcomer.rank, newcomer.created_at) >= results.waiting_from
    assert admission.admit_all() == 5
