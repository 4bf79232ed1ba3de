"""Configure Kafka's clients by the settings, and classify their errors."""

from typing import Any

from confluent_kafka import KafkaError
from django.conf import settings

from auteur.core.net import kafka
from jobs.integrations.streams.sinks.base import SinkAwayError, SinkError, SinkRefusedError

CREDENTIALS = "Kafka refuses KAFKA_USERNAME, KAFKA_PASSWORD or KAFKA_SASL_MECHANISM"
RIGHTS = "The Kafka user lacks permissions: its ACLs need Write and Describe on every stream"
REFUSALS = {
    KafkaError._AUTHENTICATION: CREDENTIALS,
    KafkaError.SASL_AUTHENTICATION_FAILED: CREDENTIALS,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: CREDENTIALS,
    KafkaError.ILLEGAL_SASL_STATE: CREDENTIALS,
    KafkaError._SSL: "TLS with Kafka fails: check KAFKA_CA_PATH and the names in KAFKA_BROKERS",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.GROUP_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.UNKNOWN_TOPIC_OR_PART: "A topic is missing: `manage.py streams create`",
    KafkaError._UNKNOWN_TOPIC: "A topic is missing: `manage.py streams create`",
    KafkaError._UNKNOWN_PARTITION: "A topic is missing: `manage.py streams create`",
    KafkaError.MSG_SIZE_TOO_LARGE: "A topic refuses this size: raise max.message.bytes",
    KafkaError.RECORD_LIST_TOO_LARGE: "A topic refuses this size: raise max.message.bytes",
    KafkaError.INVALID_CONFIG: "Kafka refuses the configuration of a new topic",
    KafkaError.POLICY_VIOLATION: "Kafka refuses the configuration of a new topic",
    KafkaError.INVALID_REPLICATION_FACTOR: "Kafka refuses the configuration of a new topic",
    KafkaError._UNSUPPORTED_FEATURE: "This version of Kafka is too old",
    KafkaError.UNSUPPORTED_VERSION: "This version of Kafka is too old",
    KafkaError._INVALID_ARG: "Kafka's client refuses a setting",
}
"""Errors that somebody must fix. All others are outages."""


class Failures(kafka.Failures[SinkError]):
    """The errors of a client, converted to ``SinkError``."""

    refusals = set(REFUSALS)

    def build_refusal(self, error: KafkaError) -> SinkError:
        """Return an error that says what to change."""
        return SinkRefusedError(f"{REFUSALS[error.code()]} ({error.str()}).")

    def build_outage(self, reason: str) -> SinkError:
        """Return an error for an outage."""
        return SinkAwayError(reason)


def build_configuration(failures: Failures, **more: Any) -> dict[str, Any]:
    """Return the configuration of a client.

    ``more`` has options by librdkafka's names, with _ for a dot.
    """
    login = settings.KAFKA_SASL_MECHANISM, settings.KAFKA_USERNAME, settings.KAFKA_PASSWORD
    return kafka.build_configuration(
        failures,
        brokers=settings.KAFKA_BROKERS,
        client_id=settings.KAFKA_CLIENT_ID,
        connection_timeout=settings.KAFKA_CONNECTION_TIMEOUT,
        request_timeout=settings.KAFKA_REQUEST_TIMEOUT,
        tls=settings.KAFKA_SSL,
        ca={"ssl.ca.location": settings.KAFKA_CA_PATH} if settings.KAFKA_CA_PATH else {},
        login=login if settings.KAFKA_USERNAME else None,
        **more,
    )
