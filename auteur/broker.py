"""Celery's broker, Redis or RabbitMQ: whether it answers, and what waits in its queues."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import redis
from amqp.exceptions import AMQPError
from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError as BrokerError

BROKER_OUTAGES: tuple[type[Exception], ...] = (BrokerError, AMQPError, redis.RedisError)
"""What a broker raises while it is away."""
TIMEOUT_SECONDS = 2.0
"""For each answer of Redis; for those of RabbitMQ see ``celeryconfig.py``."""
AN_EXCHANGE = "amq.direct"  # every RabbitMQ has it


def count_messages(queues: Collection[str]) -> dict[str, int]:
    """How many messages wait in each queue, not counting those that workers hold.

    Raises one of ``BROKER_OUTAGES``.
    """
    return _in_rabbitmq(queues) if settings.BROKER_IS_AMQP else _in_redis(queues)


def ping() -> None:
    """Return if it answers; raises one of ``BROKER_OUTAGES``."""
    if settings.BROKER_IS_AMQP:
        with _connection() as connection:
            connection.default_channel.exchange_declare(AN_EXCHANGE, "direct", passive=True)
    else:
        _client().ping()


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.BROKER_URL, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )


def _in_redis(queues: Collection[str]) -> dict[str, int]:
    """In one round trip; declaring them as in RabbitMQ takes two for each queue."""
    with _client().pipeline(transaction=False) as pipeline:
        for name in queues:
            pipeline.llen(name)
        return dict(zip(queues, pipeline.execute(), strict=True))


def _in_rabbitmq(queues: Collection[str]) -> dict[str, int]:
    with _connection() as connection:
        return {name: _declare(connection, name) for name in queues}


def _declare(connection: Any, name: str) -> int:
    """Make the queue if it is not there, as publishing does; how many messages wait in it.

    A passive declaration of a queue that is not there would cost the channel.
    """
    queue = current_app.amqp.queues[name]
    declared = connection.default_channel.queue_declare(
        name, durable=queue.durable, auto_delete=False, arguments=queue.queue_arguments
    )
    return int(declared.message_count)


@contextmanager
def _connection() -> Iterator[Any]:
    """One of the pool, which keeps it unless it fails."""
    connection: Any  # the stub takes this pool's for producers
    with current_app.pool.acquire(block=True) as connection:
        try:
            yield connection
        except (OSError, AMQPError, BrokerError) as exc:
            connection.collect()
            raise BrokerError(f"RabbitMQ: {exc}") from exc
