"""Celery's broker, Redis or RabbitMQ: its health and the lengths of its queues."""

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
"""Errors that a broker raises while it is away."""
TIMEOUT_SECONDS = 2.0
"""The time limit of each answer of Redis. For RabbitMQ see ``celeryconfig.py``."""
BUILT_IN_EXCHANGE = "amq.direct"  # Every RabbitMQ has this exchange.


def count_messages(queues: Collection[str]) -> dict[str, int]:
    """Return how many messages wait in each queue, without those that workers have received.

    Raise one of ``BROKER_OUTAGES``.
    """
    return _count_in_rabbitmq(queues) if settings.BROKER_IS_AMQP else _count_in_redis(queues)


def ping() -> None:
    """Check that the broker answers. Raise one of ``BROKER_OUTAGES`` if not."""
    if settings.BROKER_IS_AMQP:
        with _open_connection() as connection:
            connection.default_channel.exchange_declare(BUILT_IN_EXCHANGE, "direct", passive=True)
    else:
        _get_client().ping()


@cache
def _get_client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.BROKER_URL, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )


def _count_in_redis(queues: Collection[str]) -> dict[str, int]:
    """Count in one round trip. Declaring queues as in RabbitMQ takes two for each queue."""
    with _get_client().pipeline(transaction=False) as pipeline:
        for name in queues:
            pipeline.llen(name)
        return dict(zip(queues, pipeline.execute(), strict=True))


def _count_in_rabbitmq(queues: Collection[str]) -> dict[str, int]:
    with _open_connection() as connection:
        return {name: _declare_queue(connection, name) for name in queues}


def _declare_queue(connection: Any, name: str) -> int:
    """Declare the queue as publishing does. Return how many messages wait in it.

    A passive declaration of a missing queue would close the channel.
    """
    queue = current_app.amqp.queues[name]
    declaration = connection.default_channel.queue_declare(
        name, durable=queue.durable, auto_delete=False, arguments=queue.queue_arguments
    )
    return int(declaration.message_count)


@contextmanager
def _open_connection() -> Iterator[Any]:
    """Yield a connection of the pool, and drop it from the pool if it fails."""
    connection: Any  # The stub declares this pool as one of producers.
    with current_app.pool.acquire(block=True) as connection:
        try:
            yield connection
        except (OSError, AMQPError, BrokerError) as exc:
            connection.collect()
            raise BrokerError(f"RabbitMQ: {exc}") from exc
