"""Configure Kafka's clients for a partner's brokers, and classify their errors."""

from typing import Any

from confluent_kafka import KafkaError

from auteur.core.net import kafka
from jobs.integrations.partners.transports.base import AnswerTooLargeError, TransportError
from jobs.integrations.partners.transports.connections import KafkaConnection

CLIENT_ID = "auteur"
CREDENTIALS = "Kafka refuses the user, the password or the SASL mechanism"
RIGHTS = "The Kafka user lacks permissions: its ACLs must allow the topics and the group"
MISSING = "A topic is missing"
OLD = "This version of Kafka is too old"
REFUSALS = {
    KafkaError._AUTHENTICATION: CREDENTIALS,
    KafkaError.SASL_AUTHENTICATION_FAILED: CREDENTIALS,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: CREDENTIALS,
    KafkaError.ILLEGAL_SASL_STATE: CREDENTIALS,
    KafkaError._SSL: "TLS with Kafka fails: check the certificates and the broker names",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.GROUP_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.UNKNOWN_TOPIC_OR_PART: MISSING,
    KafkaError._UNKNOWN_TOPIC: MISSING,
    KafkaError._UNSUPPORTED_FEATURE: OLD,
    KafkaError.UNSUPPORTED_VERSION: OLD,
    KafkaError._INVALID_ARG: "Kafka's client refuses a setting",
}
"""Errors that somebody must fix. All others, except those of size, are outages."""
TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}


class Failures(kafka.Failures[TransportError]):
    """The errors of a client, converted to ``TransportError``."""

    refusals = {*REFUSALS, *TOO_LARGE}

    def build_refusal(self, error: KafkaError) -> TransportError:
        """Return an error that says what the partner's operator, or ours, must change."""
        if error.code() in TOO_LARGE:
            return AnswerTooLargeError(
                f"A topic does not accept messages of this size ({error.str()})."
            )
        return TransportError(f"{REFUSALS[error.code()]} ({error.str()}).", is_outage=False)

    def build_outage(self, reason: str) -> TransportError:
        """Return an error for an outage."""
        return TransportError(reason, is_outage=True)


def build_configuration(
    connection: KafkaConnection, failures: Failures, **more: Any
) -> dict[str, Any]:
    """Return the configuration of a client.

    ``more`` has options by librdkafka's names, with _ for a dot.
    """
    login = None
    if connection.username:
        password = connection.password.get_secret_value()
        login = connection.sasl_mechanism, connection.username, password
    return kafka.build_configuration(
        failures,
        brokers=connection.brokers,
        client_id=CLIENT_ID,
        connection_timeout=connection.connection_timeout,
        request_timeout=connection.request_timeout,
        tls=connection.ssl,
        ca={"ssl.ca.pem": connection.ca} if connection.ca else {},
        login=login,
        **more,
    )
