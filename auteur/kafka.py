"""What Kafka's clients are told, and what their errors mean: for streams and for partners."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

Raised = TypeVar("Raised", bound=Exception)


class Failures(ABC, Generic[Raised]):
    """The errors of a client: what it was told of a call is often only that it took too long."""

    refusals: ClassVar[Collection[int]]
    """Codes of errors that do not pass by themselves; all others are outages."""

    def __init__(self) -> None:
        self.last: KafkaError | None = None

    def note(self, error: KafkaError) -> None:
        """To be told by the client; one that says what to change stays until `clear`."""
        if self.last is None or self.last.code() not in self.refusals:
            self.last = error

    def clear(self) -> None:
        """It works again."""
        self.last = None

    def meaning(self, error: KafkaError | None = None) -> Raised:
        """Of an error, or of what happened meanwhile where that says more."""
        known = [one for one in (error, self.last) if one is not None]
        for one in known:
            if one.code() in self.refusals:
                return self.refused(one)
        return self.away(f"Kafka is away: {known[-1].str() if known else 'no answer in time'}")

    @abstractmethod
    def refused(self, error: KafkaError) -> Raised:
        """What is raised for one of ``refusals``."""

    @abstractmethod
    def away(self, why: str) -> Raised:
        """What is raised for an outage."""

    @contextmanager
    def answering(self, client: Producer | Consumer | AdminClient | None = None) -> Iterator[None]:
        """Raise what Kafka's client raises as what it means.

        A consumer that is given here reads nothing meanwhile.
        """
        try:
            yield
        except KafkaException as exc:
            if client is not None:
                client.poll(0)  # it tells what happened only when it is asked
            raise self.meaning(exc.args[0]) from exc


def configuration(
    failures: Failures,
    *,
    brokers: Collection[str],
    client_id: str,
    connection_timeout: int,
    request_timeout: int,
    tls: bool,
    ca: Mapping[str, str],
    login: tuple[str, str, str] | None,
    **more: Any,
) -> dict[str, Any]:
    """For a client whose errors are noted there; ``more`` by librdkafka's names, _ for a dot.

    Times are in milliseconds; ``ca`` is librdkafka's option for certificates of one's own, or none;
    ``login`` is mechanism, user and password.
    """
    protocol = "SSL" if tls else "PLAINTEXT"
    chosen: dict[str, Any] = {
        "bootstrap.servers": ",".join(brokers),
        "client.id": client_id,
        "socket.connection.setup.timeout.ms": connection_timeout,
        "socket.timeout.ms": request_timeout,
        "reconnect.backoff.max.ms": 2000,
        "error_cb": failures.note,
        "log_level": 0,  # an outage is one line, and it is ours
    }
    if login is not None:
        protocol = f"SASL_{protocol}"
        mechanism, user, password = login
        chosen["sasl.mechanism"] = mechanism.upper()
        chosen |= {"sasl.username": user, "sasl.password": password}
    if ca:
        chosen |= ca
    elif tls:
        chosen["ssl.ca.location"] = "probe"  # the system's
    chosen["security.protocol"] = protocol
    return chosen | {name.replace("_", "."): value for name, value in more.items()}
