"""What Kafka's clients are told of a partner's brokers, and what their errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from jobs.partners.transports.base import AnswerTooLargeError, TransportError
from jobs.partners.transports.connections import KafkaConnection

CLIENT_ID = "auteur"
CREDENTIALS = "Kafka refuses the user, the password or the SASL mechanism"
RIGHTS = "The Kafka user may not do this: its ACLs must allow the topics and the group"
MISSING = "A topic is missing"
OLD = "This Kafka is too old for what is asked of it"
REFUSALS = {
    KafkaError._AUTHENTICATION: CREDENTIALS,
    KafkaError.SASL_AUTHENTICATION_FAILED: CREDENTIALS,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: CREDENTIALS,
    KafkaError.ILLEGAL_SASL_STATE: CREDENTIALS,
    KafkaError._SSL: "TLS with Kafka fails: look at the certificates and the brokers' names",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.GROUP_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: RIGHTS,
    KafkaError.UNKNOWN_TOPIC_OR_PART: MISSING,
    KafkaError._UNKNOWN_TOPIC: MISSING,
    KafkaError._UNSUPPORTED_FEATURE: OLD,
    KafkaError.UNSUPPORTED_VERSION: OLD,
    KafkaError._INVALID_ARG: "Kafka's client refuses a setting",
}
"""Errors that do not pass by themselves; all others but those of size are outages."""
TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}


class Failures:
    """The errors of a client: what it was told of a call is often only that it took too long."""

    def __init__(self) -> None:
        self.last: KafkaError | None = None

    def note(self, error: KafkaError) -> None:
        """To be told by the client; one that says what to change stays until `clear`."""
        if self.last is None or self.last.code() not in REFUSALS:
            self.last = error

    def clear(self) -> None:
        """It works again."""
        self.last = None

    def meaning(self, error: KafkaError | None = None) -> TransportError:
        """Of an error, or of what happened meanwhile where that says more."""
        known = [one for one in (error, self.last) if one is not None]
        for one in known:
            if one.code() in TOO_LARGE:
                return AnswerTooLargeError(f"A topic takes no message of this size ({one.str()}).")
            if one.code() in REFUSALS:
                text = f"{REFUSALS[one.code()]} ({one.str()})."
                return TransportError(text, is_outage=False)
        why = known[-1].str() if known else "no answer in time"
        return TransportError(f"Kafka is away: {why}", is_outage=True)

    @contextmanager
    def answering(self, client: Producer | Consumer | None = None) -> Iterator[None]:
        """Raise what Kafka's client raises as a ``TransportError``.

        A consumer that is given here reads nothing meanwhile.
        """
        try:
            yield
        except KafkaException as exc:
            if client is not None:
                client.poll(0)  # it tells what happened only when it is asked
            raise self.meaning(exc.args[0]) from exc


def configuration(connection: KafkaConnection, failures: Failures, **more: Any) -> dict[str, Any]:
    """For a client whose errors are noted there; ``more`` by librdkafka's names, _ for a dot."""
    protocol = "SSL" if connection.ssl else "PLAINTEXT"
    chosen: dict[str, Any] = {
        "bootstrap.servers": ",".join(connection.brokers),
        "client.id": CLIENT_ID,
        "socket.connection.setup.timeout.ms": connection.connection_timeout,
        "socket.timeout.ms": connection.request_timeout,
        "reconnect.backoff.max.ms": 2000,
        "error_cb": failures.note,
        "log_level": 0,  # an outage is one line, and it is ours
    }
    if connection.username:
        protocol = f"SASL_{protocol}"
        chosen |= {
            "sasl.mechanism": connection.sasl_mechanism.upper(),
            "sasl.username": connection.username,
            "sasl.password": connection.password.get_secret_value(),
        }
    if connection.ca:
        chosen["ssl.ca.pem"] = connection.ca
    elif connection.ssl:
        chosen["ssl.ca.location"] = "probe"  # the system's
    chosen["security.protocol"] = protocol
    return chosen | {name.replace("_", "."): value for name, value in more.items()}
