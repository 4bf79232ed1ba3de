"""What Kafka's clients are told, by the settings, and what their errors mean."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from django.conf import settings

from jobs.streams.sinks.base import SinkAwayError, SinkError, SinkRefusedError

logger = logging.getLogger(__name__)

CREDENTIALS = "Kafka refuses KAFKA_USERNAME, KAFKA_PASSWORD or KAFKA_SASL_MECHANISM"
RIGHTS = "The Kafka user may not do this: its ACLs need Write and Describe on every stream"
REFUSALS = {
    KafkaError._AUTHENTICATION: CREDENTIALS,
    KafkaError.SASL_AUTHENTICATION_FAILED: CREDENTIALS,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: CREDENTIALS,
    KafkaError.ILLEGAL_SASL_STATE: CREDENTIALS,
    KafkaError._SSL: "TLS with Kafka fails: look at KAFKA_CA_PATH and the names in KAFKA_BROKERS",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.GROUP_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.UNKNOWN_TOPIC_OR_PART: "A topic is missing: `manage.py streams create`",
    KafkaError._UNKNOWN_TOPIC: "A topic is missing: `manage.py streams create`",
    KafkaError._UNKNOWN_PARTITION: "A topic is missing: `manage.py streams create`",
    KafkaError.MSG_SIZE_TOO_LARGE: "A topic takes no record of this size: raise max.message.bytes",
    KafkaError.RECORD_LIST_TOO_LARGE: "A topic takes no record of this size: raise "
    "max.message.bytes",
    KafkaError.INVALID_CONFIG: "Kafka refuses how a topic is to be made",
    KafkaError.POLICY_VIOLATION: "Kafka refuses how a topic is to be made",
    KafkaError.INVALID_REPLICATION_FACTOR: "Kafka refuses how a topic is to be made",
    KafkaError._UNSUPPORTED_FEATURE: "This Kafka is too old for what is asked of it",
    KafkaError.UNSUPPORTED_VERSION: "This Kafka is too old for what is asked of it",
    KafkaError._INVALID_ARG: "Kafka's client refuses a setting",
}
"""Errors that do not pass by themselves; all others are outages."""


class Failures:
    """The errors of a client: what it was told of a call is often only that it took too long."""

    def __init__(self) -> None:
        self._last: KafkaError | None = None

    def note(self, error: KafkaError) -> None:
        """To be told by the client; one that says what to change stays until `clear`."""
        if self._last is None or self._last.code() not in REFUSALS:
            self._last = error

    def clear(self) -> None:
        """It works again."""
        self._last = None

    def meaning(self, error: KafkaError | None = None) -> SinkError:
        """Of an error, or of what happened meanwhile where that says more."""
        known = [one for one in (error, self._last) if one is not None]
        for one in known:
            if one.code() in REFUSALS:
                return SinkRefusedError(f"{REFUSALS[one.code()]} ({one.str()}).")
        why = known[-1].str() if known else "no answer in time"
        return SinkAwayError(f"Kafka is away: {why}")

    @contextmanager
    def answering(self, client: Producer | AdminClient | None = None) -> Iterator[None]:
        """Raise what Kafka's client raises as a ``SinkError``."""
        try:
            yield
        except KafkaException as exc:
            if client is not None:
                client.poll(0)  # it tells what happened only when it is asked
            raise self.meaning(exc.args[0]) from exc


def configuration(failures: Failures, **more: Any) -> dict[str, Any]:
    """For a client whose errors are noted there; ``more`` by librdkafka's names, _ for a dot."""
    protocol = "SSL" if settings.KAFKA_SSL else "PLAINTEXT"
    chosen: dict[str, Any] = {
        "bootstrap.servers": ",".join(settings.KAFKA_BROKERS),
        "client.id": settings.KAFKA_CLIENT_ID,
        "socket.connection.setup.timeout.ms": settings.KAFKA_CONNECTION_TIMEOUT,
        "socket.timeout.ms": settings.KAFKA_REQUEST_TIMEOUT,
        "reconnect.backoff.max.ms": 2000,
        "error_cb": failures.note,
        "log_level": 0,  # an outage is one line, and it is ours
    }
    if settings.KAFKA_USERNAME:
        protocol = f"SASL_{protocol}"
        chosen |= {
            "sasl.mechanism": settings.KAFKA_SASL_MECHANISM.upper(),
            "sasl.username": settings.KAFKA_USERNAME,
            "sasl.password": settings.KAFKA_PASSWORD,
        }
    if settings.KAFKA_CA_PATH:
        chosen["ssl.ca.location"] = settings.KAFKA_CA_PATH
    elif settings.KAFKA_SSL:
        chosen["ssl.ca.location"] = "probe"  # the system's
    chosen["security.protocol"] = protocol
    return chosen | {name.replace("_", "."): value for name, value in more.items()}
