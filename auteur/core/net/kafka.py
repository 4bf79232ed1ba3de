"""Options of Kafka's clients and the meaning of their errors, for streams and partners."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

Raised = TypeVar("Raised", bound=Exception)


class Failures(ABC, Generic[Raised]):
    """The errors of a client.

    A failed call often says only that it timed out; the error that the client reported in between
    says more.
    """

    refusals: ClassVar[Collection[int]]
    """Codes of errors that do not pass by themselves. All others are outages."""

    def __init__(self) -> None:
        self.last: KafkaError | None = None

    def note(self, error: KafkaError) -> None:
        """Store an error that the client reports. A refusal stays until `clear`."""
        if self.last is None or self.last.code() not in self.refusals:
            self.last = error

    def clear(self) -> None:
        """Forget the last error, because the client works again."""
        self.last = None

    def build_exception(self, error: KafkaError | None = None) -> Raised:
        """Return the exception for an error, or for the last reported one if that says more."""
        errors = [candidate for candidate in (error, self.last) if candidate is not None]
        for candidate in errors:
            if candidate.code() in self.refusals:
                return self.build_refusal(candidate)
        return self.build_outage(
            f"Kafka is away: {errors[-1].str() if errors else 'no answer in time'}"
        )

    @abstractmethod
    def build_refusal(self, error: KafkaError) -> Raised:
        """Return the exception for one of ``refusals``."""

    @abstractmethod
    def build_outage(self, reason: str) -> Raised:
        """Return the exception for an outage."""

    @contextmanager
    def translate_errors(
        self, client: Producer | Consumer | AdminClient | None = None
    ) -> Iterator[None]:
        """Convert exceptions of Kafka's client to ours.

        A consumer that is passed here reads nothing meanwhile.
        """
        try:
            yield
        except KafkaException as exc:
            if client is not None:
                client.poll(0)  # The client reports errors only when it is polled.
            raise self.build_exception(exc.args[0]) from exc


def build_configuration(
    failures: Failures,
    *,
    brokers: Collection[str],
    client_id: str,
    connection_timeout: int,
    request_timeout: int,
    tls: bool,
    ca: Mapping[str, str],
    login: tuple[str, str, str] | None,
    **overrides: Any,
) -> dict[str, Any]:
    """Return the options of a client whose errors ``failures`` notes.

    Times are in milliseconds. ``ca`` is librdkafka's option for certificates of one's own, or
    empty. ``login`` is mechanism, user and password. ``overrides`` are options of
    librdkafka, with _ for a dot.
    """
    protocol = "SSL" if tls else "PLAINTEXT"
    options: dict[str, Any] = {
        "bootstrap.servers": ",".join(brokers),
        "client.id": client_id,
        "socket.connection.setup.timeout.ms": connection_timeout,
        "socket.timeout.ms": request_timeout,
        "reconnect.backoff.max.ms": 2000,
        "error_cb": failures.note,
        "log_level": 0,  # We log an outage ourselves, in one line.
    }
    if login is not None:
        protocol = f"SASL_{protocol}"
        mechanism, user, password = login
        options["sasl.mechanism"] = mechanism.upper()
        options |= {"sasl.username": user, "sasl.password": password}
    if ca:
        options |= ca
    elif tls:
        options["ssl.ca.location"] = "probe"  # Use the system's certificates.
    options["security.protocol"] = protocol
    return options | {name.replace("_", "."): value for name, value in overrides.items()}
