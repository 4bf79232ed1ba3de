"""What carries records to a broker, by the setting ``STREAMS_SINK``."""

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
    return _make(0)


def make_admin() -> StreamAdmin:
    """What looks at streams and makes them; raises ``StreamsOffError``."""
    return _make(1)


def _make(which: int) -> Sink | StreamAdmin:
    if settings.STREAMS_SINK == OFF:
        raise StreamsOffError("STREAMS_SINK is none: nothing is published.")
    made: Sink | StreamAdmin = import_string(KINDS[settings.STREAMS_SINK][which])()
    return made
