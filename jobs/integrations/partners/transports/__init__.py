"""Create the transport of a partner: Kafka or Redis Streams."""

from collections.abc import Mapping, Sequence

from django.utils.module_loading import import_string

from jobs.integrations.partners.transports.base import Transport
from jobs.integrations.partners.transports.connections import Connection, parse_connection

TRANSPORTS = {
    "kafka": "jobs.integrations.partners.transports.kafka.KafkaTransport",
    "redis": "jobs.integrations.partners.transports.redis.RedisTransport",
}
"""The import path of each transport. Using Redis loads no code for Kafka."""
DEAD_LETTERS = "{group}.dead"


def connect(
    transport: str,
    connection: Connection | Mapping[str, object],
    *,
    topics: Sequence[str],
    group: str,
    dead_letters: str = "",
) -> Transport:
    """Return a transport that reads ``topics`` as ``group``. It connects when it is first used.

    Without ``dead_letters``, dead letters go to a topic named after the group. Raises
    ``ConnectionSettingsError``.
    """
    if isinstance(connection, Mapping):
        connection = parse_connection(transport, connection)
    instance: Transport = import_string(TRANSPORTS[transport])(
        connection,
        topics=tuple(topics),
        group=group,
        dead_letters=dead_letters or DEAD_LETTERS.format(group=group),
    )
    return instance
