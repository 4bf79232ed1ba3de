"""Calls that wait for a worker: a message each, and another only where one was lost."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from celery import current_app
from django.db.models import F
from django.db.models.functions import Now

from auteur.core.work import leases
from jobs.calls.backends import local
from jobs.calls.backends.models import LocalCall
from jobs.models import Attempt, Job
from jobs.orchestrator import calls
from jobs.states import AttemptState
from tests.jobs.broker import Broker
from tests.jobs.walk import bring_to

QUEUE = "gpu.cpu"
STEP = timedelta(seconds=3)
MINUTE = 20
CALLS = 3


@pytest.fixture
def broker() -> Iterator[Broker]:
    new_broker = Broker()
    new_broker.flush()
    yield new_broker
    new_broker.come_back()
    new_broker.flush()


@pytest.fixture
def waiting(make_job: Callable[[], Job], broker: Broker) -> list[LocalCall]:
    """Calls that were published, and that no worker has taken."""
    results = []
    for _ in range(CALLS):
        attempt = bring_to(make_job(), AttemptState.RUNNING)
        results.append(
            LocalCall.objects.create(
                id=uuid.uuid4(),
                attempt_id=attempt.pk,
                function="transcription",
                engine="draft",
                queue=QUEUE,
                payload={},
            )
        )
        Attempt.objects.filter(pk=attempt.pk).update(call_id=str(results[-1].pk))
    local.publish_calls(results)
    return results


def messages() -> int:
    with current_app.pool.acquire() as connection:
        return int(connection.default_channel.client.llen(QUEUE))


def lose_messages() -> int:
    lost = messages()
    with current_app.pool.acquire() as connection:
        connection.default_channel.client.delete(QUEUE)
    return lost


def step() -> None:
    Job.objects.update(wake_at=F("wake_at") - STEP)
    calls.follow()


def test_calls_that_wait_have_one_message_each_however_long_they_wait(waiting: list[LocalCall]):
    for _ in range(3 * MINUTE):
        step()
    assert messages() == CALLS


def test_lost_messages_are_sent_again_within_seconds_and_once(waiting: list[LocalCall]):
    lose_messages()
    for _ in range(5):
        step()
    assert messages() == CALLS
    for _ in range(3 * MINUTE):
        step()
    assert messages() == CALLS


def test_one_lost_message_is_sent_again_and_no_other(waiting: list[LocalCall]):
    with current_app.pool.acquire() as connection:
        connection.default_channel.client.rpop(QUEUE)
        connection.default_channel.client.lpush(QUEUE, "none of ours", "{}", "[]")
    for _ in range(MINUTE):
        step()
    assert messages() == CALLS + 3
    assert local._list_calls_in_redis(QUEUE) == {"", *(str(call.pk) for call in waiting)}


def test_messages_lost_again_and_again_are_counted_and_sent_more_and_more_rarely(
    waiting: list[LocalCall],
):
    sent = lose_messages()
    for _ in range(3 * MINUTE):
        step()
        sent += lose_messages()
    assert CALLS * 5 <= sent <= CALLS * 9
    assert min(Attempt.objects.values_list("publish_count", flat=True)) >= 4
    local.publish_calls(waiting)
    for _ in range(MINUTE):
        step()
    assert set(Attempt.objects.values_list("publish_count", flat=True)) == {0}


def test_where_messages_are_only_counted_the_oldest_calls_are_taken_for_lost(
    waiting: list[LocalCall],
):
    rows = list(LocalCall.objects.order_by("created_at"))
    assert local._list_missing_in_rabbitmq(QUEUE, rows) == []
    with current_app.pool.acquire() as connection:
        connection.default_channel.client.rpop(QUEUE)
    assert local._list_missing_in_rabbitmq(QUEUE, rows[::-1]) == rows[:1]
    assert local._list_missing_in_rabbitmq(QUEUE, rows[1:]) == []  # another's message may hide it


def test_where_messages_are_only_counted_who_has_waited_long_is_told_of_again(
    waiting: list[LocalCall], broker: Broker
):
    LocalCall.objects.filter(pk=waiting[0].pk).update(created_at=Now() - leases.RESEND_AFTER)
    rows = list(LocalCall.objects.order_by("created_at"))
    assert [row.pk for row in local._list_missing_in_rabbitmq(QUEUE, rows)] == [waiting[0].pk]
    for _ in range(local.MAX_MESSAGES - CALLS - 1):
        broker.put(QUEUE)
    assert len(local._list_missing_in_rabbitmq(QUEUE, rows)) == 1
    broker.put(QUEUE)
    assert local._list_missing_in_rabbitmq(QUEUE, rows) == []


def test_while_the_broker_is_away_nothing_is_taken_for_lost(
    waiting: list[LocalCall], broker: Broker
):
    broker.go_away()
    for _ in range(10):
        step()
    broker.come_back()
    assert set(Attempt.objects.values_list("publish_count", flat=True)) == {0}
    assert messages() == CALLS
