"""The suite's own view of RabbitMQ, which no proxy stands in the way of."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import amqp

from auteur.devstack.environment import RABBITMQ_USER
from auteur.devstack.ports import HOST

ANSWER_SECONDS = 5.0


class Queues:
    """The queues of Celery by name: one who is not the server cannot list them."""

    def __init__(self, port: int, password: str, names: Iterable[str]) -> None:
        self._address = f"{HOST}:{port}"
        self._password = password
        self._names = list(names)

    def waiting(self) -> dict[str, int]:
        """How many messages wait in each that has some."""
        with self._connection() as connection:
            results = {name: _size(connection, name) for name in self._names}
        return {name: number for name, number in results.items() if number}

    def purge(self) -> None:
        """Lose what waits; who holds a message keeps it."""
        with self._connection() as connection:
            for name in filter(lambda each: _size(connection, each), self._names):
                with connection.channel() as channel:
                    channel.queue_purge(name)

    def delete(self) -> None:
        """Lose the queues too."""
        with self._connection() as connection, connection.channel() as channel:
            for name in self._names:
                channel.queue_delete(name)

    @contextmanager
    def _connection(self) -> Iterator[amqp.Connection]:
        with amqp.Connection(
            self._address,
            RABBITMQ_USER,
            self._password,
            connect_timeout=ANSWER_SECONDS,
            read_timeout=ANSWER_SECONDS,
        ) as connection:
            yield connection


def _size(connection: amqp.Connection, name: str) -> int:
    channel = connection.channel()
    try:
        return int(channel.queue_declare(name, passive=True).message_count)
    except amqp.NotFound:
        return 0  # and the channel is closed
