"""What carries messages of partners to us, and answers to them: Kafka, Redis Streams, AMQP."""

from collections.abc import Mapping, Sequence

from django.utils.module_loading import import_string

from jobs.partners.transports.base import Transport
from jobs.partners.transports.connections import Connection, connection_of

TRANSPORTS = {
    "kafka": "jobs.partners.transports.kafka.KafkaTransport",
    "redis": "jobs.partners.transports.redis.RedisTransport",
    "amqp": "jobs.partners.transports.amqp.AmqpTransport",
}
"""By name: who speaks over Redis loads nothing of Kafka's."""
DEAD_LETTERS = "{group}.dead"


def connect(
    transport: str,
    connection: Connection | Mapping[str, object],
    *,
    topics: Sequence[str],
    group: str,
    dead_letters: str = "",
) -> Transport:
    """What reads ``topics`` as one of ``group``; it connects when it is first used.

    Dead letters go to a topic of the group's own if none is named. Raises
    ``ConnectionSettingsError``.
    """
    if isinstance(connection, Mapping):
        connection = connection_of(transport, connection)
    made: Transport = import_string(TRANSPORTS[transport])(
        connection,
        topics=tuple(topics),
        group=group,
        dead_letters=dead_letters or DEAD_LETTERS.format(group=group),
    )
    return made
