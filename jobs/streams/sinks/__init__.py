"""What carries records to a broker, by the setting ``STREAMS_SINK``."""

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from gpu_tasks.runtime.errors import AuteurError
from jobs.streams.sinks.base import Sink, StreamAdmin

OFF = "none"
KINDS = {
    "redis": ("jobs.streams.sinks.redis.RedisSink", "jobs.streams.sinks.redis_admin.RedisAdmin"),
    "kafka": ("jobs.streams.sinks.kafka.KafkaSink", "jobs.streams.sinks.kafka_admin.KafkaAdmin"),
}
"""The classes of each kind, by name: who publishes to Redis loads nothing of Kafka's."""


class StreamsOffError(AuteurError):
    """Nothing is published here."""


def make_sink() -> Sink:
    """What publishes, not yet connected; raises ``StreamsOffError``."""
    sink: Sink = _make(0)
    return sink


def make_admin() -> StreamAdmin:
    """What looks at streams and makes them; raises ``StreamsOffError``."""
    admin: StreamAdmin = _make(1)
    return admin


def _make(which: int) -> Any:
    if settings.STREAMS_SINK == OFF:
        raise StreamsOffError("STREAMS_SINK is none: nothing is published.")
    return import_string(KINDS[settings.STREAMS_SINK][which])()
