"""What is woken, with what company, and what becomes of it where the broker is full or away."""

import socket
import threading
import uuid
from datetime import timedelta
from functools import partial

import pytest
from django.db.models import F
from django.utils import timezone
from redis.exceptions import RedisError

from jobs import publishing
from jobs.models import Attempt, Job, WorkerHeartbeat
from jobs.orchestrator import due, loop
from jobs.states import AttemptState
from tests.jobs.broker import Broker
from tests.jobs.walk import bring_to
from tests.waiting import until

TRANSCRIPTION_QUEUE = "jobs.transcription"


@pytest.fixture
def broker():
    new_broker = Broker()
    new_broker.flush()
    yield new_broker
    new_broker.come_back()
    new_broker.flush()


def queued(make_job, count):
    attempts = [bring_to(make_job(), AttemptState.QUEUED) for _ in range(count)]
    return {attempt.pk for attempt in attempts}


def test_what_is_due_goes_together_but_what_a_worker_died_of_goes_alone(make_job, broker):
    ids = queued(make_job, 4)
    suspects = set(sorted(ids)[:2])
    Attempt.objects.filter(pk__in=suspects).update(crash_count=1)
    loop.wake()
    messages = [
        {uuid.UUID(i) for i in args[0]} for _, args, _ in iter(partial(broker.read, 0), None)
    ]
    assert sorted(map(len, messages)) == [1, 1, 2]
    assert ids - suspects in messages


def test_a_queue_with_messages_enough_is_left_alone_until_it_has_room(make_job, broker):
    ids = queued(make_job, 1)
    for _ in range(publishing.MAX_WAITING_MESSAGES):
        broker.put(TRANSCRIPTION_QUEUE)
    assert due.claim_wake_ups() == []
    assert set(Attempt.objects.values_list("publish_count", flat=True)) == {0}
    assert broker.take(0)
    assert {wake_up.attempt_id for wake_up in due.claim_wake_ups()} == ids


def test_steps_that_wait_for_a_worker_have_few_messages_however_long(make_job, broker):
    ids = queued(make_job, 3)
    for _ in range(60):
        Job.objects.update(wake_at=F("wake_at") - timedelta(seconds=10))
        loop.wake()
    assert 1 <= len(broker.waiting()) <= publishing.MAX_WAITING_MESSAGES
    broker.flush()
    for _ in range(7):
        Job.objects.update(wake_at=F("wake_at") - timedelta(seconds=10))
        loop.wake()
    assert {uuid.UUID(first) for first in broker.read(0)[1][0]} == ids


def test_a_full_queue_holds_up_no_other(make_job, broker):
    queued(make_job, 1)
    done = bring_to(make_job(), AttemptState.REPORTED)
    for _ in range(publishing.MAX_WAITING_MESSAGES):
        broker.put(TRANSCRIPTION_QUEUE)
    assert [wake_up.attempt_id for wake_up in due.claim_wake_ups()] == [done.pk]


def test_while_the_broker_is_away_nothing_is_taken_or_put_off(make_job, broker):
    [attempt_id] = queued(make_job, 1)
    broker.go_away()
    with pytest.raises(RedisError):
        loop.wake()
    assert Attempt.objects.get(pk=attempt_id).publish_count == 0
    broker.come_back()
    assert [wake_up.attempt_id for wake_up in due.claim_wake_ups()] == [attempt_id]


def test_while_the_broker_is_away_nothing_is_admitted(make_job, broker):
    job = make_job()
    broker.go_away()
    with pytest.raises(RedisError):
        loop.wake()
    job.refresh_from_db()
    assert job.attempt_id is None
    broker.come_back()
    loop.wake()
    job.refresh_from_db()
    assert job.attempt_id is not None


@pytest.mark.django_db(transaction=True)
def test_a_hanging_redis_does_not_hang_the_repair(make_job, broker):
    late, waiting = make_job(), make_job()
    bring_to(late, AttemptState.RUNNING)
    Job.objects.filter(pk=late.pk).update(deadline_at=timezone.now(), wake_at=timezone.now())
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # connects, and never answers
        broker.lead_to(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0")
        orchestrator = threading.Thread(target=loop.run, args=(stop,))
        orchestrator.start()
        try:
            until(lambda: Job.objects.get(pk=late.pk).status == "failed")
        finally:
            stop.set()
            orchestrator.join()
    waiting.refresh_from_db()
    assert waiting.attempt.publish_count == 0


def message_sizes(broker):
    return sorted(len(args[0]) for _, args, _ in iter(partial(broker.read, 0), None))


def beat(*names, **ago):
    now = timezone.now()
    WorkerHeartbeat.objects.bulk_create(
        WorkerHeartbeat(name=name, beat_at=now - timedelta(**ago)) for name in names
    )


def test_what_is_due_is_shared_among_the_worker_children_that_live(make_job, broker):
    queued(make_job, 3 * publishing.LEAST_SHARED_IDS + 1)
    WorkerHeartbeat.objects.all().delete()
    beat("a:1", "b:1", "b:2")
    beat("lost:1", "lost:2", hours=1)
    loop.wake()
    assert message_sizes(broker) == [9, 11, 11]


def test_with_many_children_a_message_still_has_some_ids(make_job, broker):
    queued(make_job, publishing.LEAST_SHARED_IDS + 2)
    WorkerHeartbeat.objects.all().delete()
    beat(*(f"a:{number}" for number in range(20)))
    loop.wake()
    assert message_sizes(broker) == [2, publishing.LEAST_SHARED_IDS]


@pytest.mark.parametrize(
    ("feature", "state", "limit"),
    [
        ("noop", AttemptState.REPORTED, 50),
        ("tts", AttemptState.QUEUED, 50),
        ("tts", AttemptState.REPORTED, publishing.MAX_READING_IDS),
        ("render", AttemptState.COLLECTED, publishing.MAX_READING_IDS),
    ],
)
def test_steps_that_read_files_take_few_ids_at_once(feature, state, limit):
    wake_up = publishing.WakeUp(uuid.uuid4(), state, feature)
    assert wake_up.ids_per_message == limit
