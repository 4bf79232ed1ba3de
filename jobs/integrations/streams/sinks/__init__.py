"""Create the sink and its admin by the setting ``STREAMS_SINK``."""

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from gpu_tasks.runtime.errors import AuteurError
from jobs.integrations.streams.sinks.base import Sink, StreamAdmin

OFF = "none"
KINDS = {
    "redis": (
        "jobs.integrations.streams.sinks.redis.RedisSink",
        "jobs.integrations.streams.sinks.redis_admin.RedisAdmin",
    ),
    "kafka": (
        "jobs.integrations.streams.sinks.kafka.KafkaSink",
        "jobs.integrations.streams.sinks.kafka_admin.KafkaAdmin",
    ),
}
"""The import paths of each kind's classes. Publishing to Redis loads no code for Kafka."""


class StreamsOffError(AuteurError):
    """Raised if the settings say that nothing is published."""


def create_sink() -> Sink:
    """Create the sink, not yet connected. Raise ``StreamsOffError``."""
    sink: Sink = _create_configured(0)
    return sink


def create_admin() -> StreamAdmin:
    """Create the stream admin. Raise ``StreamsOffError``."""
    admin: StreamAdmin = _create_configured(1)
    return admin


def _create_configured(index: int) -> Any:
    if settings.STREAMS_SINK == OFF:
        raise StreamsOffError("STREAMS_SINK is none: nothing is published.")
    return import_string(KINDS[settings.STREAMS_SINK][index])()
