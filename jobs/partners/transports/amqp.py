"""RabbitMQ, by AMQP 0.9.1: queues that last, acknowledged by hand, publishing that is confirmed.

A topic is a queue, reached through the default exchange. A queue that is missing is made as a
quorum queue; one that is there is taken as it is. The message's key stands in the header ``key``.
RabbitMQ 4 gives up a message after twenty deliveries: a policy should name a dead-letter exchange.
"""

import hashlib
import itertools
import ssl
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp
from amqp import exceptions

from jobs.partners.transports.base import (
    ANSWER_SECONDS,
    MAX_AT_ONCE,
    Answer,
    Message,
    TransportError,
)
from jobs.partners.transports.connections import AmqpConnection
from jobs.partners.transports.contents import checked, kept_of, reason_of

HEARTBEAT_SECONDS = 60
PORTS = {"amqp": 5672, "amqps": 5671}
PERSISTENT = 2
NACKED_SECONDS = 0.2
"""Before a message that was not taken is sent again."""
REFUSALS = {
    exceptions.AccessRefused: "RabbitMQ refuses the user or password, or the user may not do this",
    exceptions.NotAllowed: "RabbitMQ refuses: look at the virtual host and the user's rights",
    exceptions.NotFound: "RabbitMQ has no such queue",
    exceptions.PreconditionFailed: "RabbitMQ refuses: what is there is otherwise than asked for",
    ssl.SSLError: "TLS with RabbitMQ fails: look at the certificates and the host's name",
}
"""Errors that do not pass by themselves; all others are outages."""


class AmqpTransport:
    """As `Transport`."""

    def __init__(
        self, connection: AmqpConnection, *, topics: Sequence[str], group: str, dead_letters: str
    ) -> None:
        """Who reads a queue shares its messages with all who read it: ``group`` says nothing."""
        self._settings = connection
        self._topics = topics
        self._dead_letters = dead_letters
        self._made: amqp.Connection | None = None
        self._reading: amqp.Channel | None = None
        self._publishing: amqp.Channel | None = None
        self._declared: set[str] = set()
        self._receipts = itertools.count()
        self._tags: dict[int, int] = {}
        """Of messages that this connection delivered, by receipt."""
        self._held: dict[int, Message] = {}
        self._delivered: deque[Message] = deque()

    @contextmanager
    def _answering(self) -> Iterator[amqp.Connection]:
        """The connection; what it raises is a ``TransportError``, and the next is a new one."""
        try:
            connection = self._connection()
            connection.heartbeat_tick()
            yield connection
        except (OSError, exceptions.AMQPError) as exc:
            self._drop()
            raise _meaning(exc) from exc

    def _connection(self) -> amqp.Connection:
        if self._made is None:
            self._made = amqp.Connection(**_options(self._settings))
            self._made.connect()
        return self._made

    def _drop(self) -> None:
        """The broker gives again what it delivered by this connection."""
        made, self._made = self._made, None
        self._reading = self._publishing = None
        for kept in (self._declared, self._tags, self._held, self._delivered):
            kept.clear()
        if made is not None:
            with suppress(OSError, exceptions.AMQPError):
                made.collect()

    def _declare(self, connection: amqp.Connection, queue: str) -> None:
        if queue in self._declared:
            return
        if not _is_there(connection, queue):
            arguments = {"x-queue-type": "quorum"}  # no more: a partner declares the same
            with closing(connection.channel()) as channel:
                channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
        self._declared.add(queue)

    def check(self) -> None:
        """As `Transport.check`; queues that are missing are made."""
        with self._answering() as connection:
            for queue in (self._dead_letters, *self._topics):
                self._declare(connection, queue)

    def receive(self, seconds: float, most: int) -> Sequence[Message]:
        """As `Transport.receive`."""
        most = min(most, MAX_AT_ONCE)
        with self._answering() as connection:
            self._subscribe(connection)
            self._drain(connection, 0 if self._held else seconds)
            while self._delivered and len(self._held) < most:
                message = self._delivered.popleft()
                self._held[message.receipt] = message
        return list(self._held.values())[:most]

    def _subscribe(self, connection: amqp.Connection) -> None:
        if self._reading is not None:
            return
        for queue in (self._dead_letters, *self._topics):
            self._declare(connection, queue)
        channel = amqp.Channel(connection, auto_decode=False)
        channel.open()
        channel.basic_qos(0, MAX_AT_ONCE, a_global=False)
        for queue in self._topics:

            def deliver(found: amqp.Message, queue: str = queue) -> None:
                self._deliver(queue, found)

            channel.basic_consume(queue, callback=deliver)
        self._reading = channel

    def _deliver(self, queue: str, found: amqp.Message) -> None:
        receipt = next(self._receipts)
        self._tags[receipt] = found.delivery_tag or 0
        self._delivered.append(_message(queue, found, receipt))

    def _drain(self, connection: amqp.Connection, seconds: float) -> None:
        """Until something is there, and then what else is."""
        until = time.monotonic() + seconds
        while True:
            wait = 0.0 if self._delivered else until - time.monotonic()
            try:
                connection.drain_events(timeout=max(wait, 0.001))
            except TimeoutError:
                return
            if len(self._delivered) >= MAX_AT_ONCE:
                return

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """As `Transport.acknowledge`; what an earlier connection delivered comes again."""
        with self._answering():
            for message in messages:
                tag = self._tags.pop(message.receipt, None)
                if tag is not None and self._reading is not None:
                    self._reading.basic_ack(tag)
                self._held.pop(message.receipt, None)

    def set_aside(self, message: Message, reason: str) -> None:
        """As `Transport.set_aside`."""
        value, is_whole = kept_of(message)
        headers = {
            "key": message.key or b"",
            "topic": message.topic,
            "reason": reason_of(reason),
            "coordinates": message.coordinates,
            "whole": is_whole,
        }
        self._publish(self._dead_letters, value, headers, uuid.uuid4().hex)
        self.acknowledge([message])

    def send_again(self, most: int) -> int:
        """As `Transport.send_again`."""
        sent = 0
        with self._answering() as connection:
            self._declare(connection, self._dead_letters)
            channel = amqp.Channel(connection, auto_decode=False)
            channel.open()
            with closing(channel):  # what is left out goes back
                while sent < most and (letter := channel.basic_get(self._dead_letters)):
                    sent += self._sent_again(channel, letter)
        return sent

    def _sent_again(self, channel: amqp.Channel, letter: amqp.Message) -> bool:
        headers = _headers(letter)
        topic = str(headers.get("topic"))
        if not headers.get("whole") or topic not in self._topics or letter.delivery_tag is None:
            return False
        # With an id of its own: the one that it had may be known.
        self._publish(topic, _body(letter), {"key": headers.get("key", b"")}, uuid.uuid4().hex)
        channel.basic_ack(letter.delivery_tag)
        return True

    def mark(self, topic: str) -> str:
        """As `Transport.mark`: a queue has no places."""
        return ""

    def send(self, answer: Answer) -> None:
        """As `Transport.send`; one that comes twice has the same message id."""
        checked(answer)
        self._publish(answer.topic, answer.value, {"key": answer.key}, answer.id)

    def was_sent(self, answer: Answer, since: str | None) -> bool | None:
        """As `Transport.was_sent`: a queue cannot be looked through."""
        return None

    def _publish(
        self, queue: str, value: bytes, headers: Mapping[str, Any], message_id: str
    ) -> None:
        with self._answering() as connection:
            self._declare(connection, queue)
            if self._publishing is None:
                self._publishing = connection.channel()
            message = amqp.Message(
                value,
                application_headers=dict(headers),
                message_id=message_id,
                delivery_mode=PERSISTENT,
            )
            self._confirmed(self._publishing, queue, message)

    def _confirmed(self, channel: amqp.Channel, queue: str, message: amqp.Message) -> None:
        """Return once the queue has it; the same message id tells of one that it took all along.

        A quorum queue that somebody is just making, or that has no leader, takes none for a moment;
        nor does a full one. The connection is fine: what it delivered stays with us.
        """
        until = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                # Mandatory: a queue that was deleted since is an error, not a loss.
                channel.basic_publish(
                    message,
                    routing_key=queue,
                    mandatory=True,
                    timeout=ANSWER_SECONDS,
                    confirm_timeout=ANSWER_SECONDS,
                )
            except exceptions.MessageNacked as exc:
                if time.monotonic() > until:
                    text = f"RabbitMQ takes no messages for the queue {queue}: is it full?"
                    raise TransportError(text, is_outage=True) from exc
            else:
                return
            time.sleep(NACKED_SECONDS)

    def close(self) -> None:
        """As `Transport.close`."""
        if self._made is not None:
            with suppress(OSError, exceptions.AMQPError):
                self._made.close()
        self._drop()


def _options(settings: AmqpConnection) -> dict[str, Any]:
    parts = urlsplit(settings.url.get_secret_value())
    host = parts.hostname or ""
    address = f"[{host}]" if ":" in host else host
    secure: dict[str, Any] | bool = False
    if parts.scheme == "amqps":
        context = {"cadata": settings.ca or None, "check_hostname": True}
        secure = {"context": context, "server_hostname": host}
    return {
        "host": f"{address}:{parts.port or PORTS[parts.scheme]}",
        "userid": unquote(parts.username or "guest"),
        "password": unquote(parts.password or "guest"),
        "virtual_host": unquote(parts.path.removeprefix("/")) or "/",
        "ssl": secure,
        "connect_timeout": ANSWER_SECONDS,
        "read_timeout": ANSWER_SECONDS,
        "write_timeout": ANSWER_SECONDS,
        "heartbeat": HEARTBEAT_SECONDS,
        "confirm_publish": True,
    }


def _is_there(connection: amqp.Connection, queue: str) -> bool:
    channel = connection.channel()
    try:
        channel.queue_declare(queue, passive=True)
    except exceptions.NotFound:
        return False  # and the channel is closed
    channel.close()
    return True


def _message(queue: str, found: amqp.Message, receipt: int) -> Message:
    body = _body(found)
    key = _headers(found).get("key")
    if isinstance(key, str):
        key = key.encode()
    # A queue knows no places: what has neither another id nor another content is the same.
    told = f"{found.properties.get('message_id', '')}\0".encode()
    coordinates = f"{queue}/{hashlib.sha256(told + body).hexdigest()[:40]}"
    return Message(
        queue, key if isinstance(key, bytes) and key else None, body, coordinates, receipt
    )


def _body(found: amqp.Message) -> bytes:
    return found.body.encode() if isinstance(found.body, str) else bytes(found.body)


def _headers(found: amqp.Message) -> Mapping[str, Any]:
    return found.properties.get("application_headers") or {}


def _meaning(exc: Exception) -> TransportError:
    for kind, text in REFUSALS.items():
        if isinstance(exc, kind):
            return TransportError(f"{text}: {exc}", is_outage=False)
    return TransportError(f"RabbitMQ is away: {exc}", is_outage=True)
