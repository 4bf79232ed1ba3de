"""Exchange messages over RabbitMQ (AMQP 0.9.1), with durable queues and confirmed publishing.

A topic is a queue, reached through the default exchange. A missing queue is created as a quorum
queue; an existing one is used as it is. The message's key is in the header ``key``. RabbitMQ 4
drops a message after twenty deliveries, so a policy should name a dead-letter exchange.
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

from jobs.integrations.partners.transports.base import (
    ANSWER_SECONDS,
    MAX_UNACKNOWLEDGED,
    Answer,
    Message,
    TransportError,
)
from jobs.integrations.partners.transports.connections import AmqpConnection
from jobs.integrations.partners.transports.contents import (
    check_size,
    truncate_message,
    truncate_reason,
)

HEARTBEAT_SECONDS = 60
PORTS = {"amqp": 5672, "amqps": 5671}
PERSISTENT = 2
NACK_PAUSE_SECONDS = 0.2
"""The pause before a rejected message is sent again."""
REFUSALS = {
    exceptions.AccessRefused: "RabbitMQ refuses the user or password, or a permission",
    exceptions.NotAllowed: "RabbitMQ refuses: check the virtual host and the permissions",
    exceptions.NotFound: "RabbitMQ does not have the queue",
    exceptions.PreconditionFailed: "RabbitMQ has a queue with other arguments than requested",
    ssl.SSLError: "TLS with RabbitMQ fails: check the certificates and the host name",
}
"""Errors that somebody must fix. All others are outages."""


class AmqpTransport:
    """The transport for RabbitMQ."""

    def __init__(
        self, connection: AmqpConnection, *, topics: Sequence[str], group: str, dead_letters: str
    ) -> None:
        """Create a transport. ``group`` is unused: all readers of a queue share its messages."""
        self._settings = connection
        self._topics = topics
        self._dead_letters = dead_letters
        self._cached_connection: amqp.Connection | None = None
        self._read_channel: amqp.Channel | None = None
        self._publish_channel: amqp.Channel | None = None
        self._declared_queues: set[str] = set()
        self._receipts = itertools.count()
        self._tags: dict[int, int] = {}
        """The delivery tags of this connection's messages, by receipt."""
        self._pending_messages: dict[int, Message] = {}
        self._delivered_messages: deque[Message] = deque()

    @contextmanager
    def _convert_errors(self) -> Iterator[amqp.Connection]:
        """Yield the connection and convert its errors to ``TransportError``.

        After an error, the next call uses a new connection.
        """
        try:
            connection = self._connect()
            connection.heartbeat_tick()
            yield connection
        except (OSError, exceptions.AMQPError) as exc:
            self._drop_connection()
            raise _classify_error(exc) from exc

    def _connect(self) -> amqp.Connection:
        if self._cached_connection is None:
            self._cached_connection = amqp.Connection(**_build_options(self._settings))
            self._cached_connection.connect()
        return self._cached_connection

    def _drop_connection(self) -> None:
        """Drop the connection and all its state. The broker delivers its messages again."""
        connection, self._cached_connection = self._cached_connection, None
        self._read_channel = self._publish_channel = None
        for collection in (
            self._declared_queues,
            self._tags,
            self._pending_messages,
            self._delivered_messages,
        ):
            collection.clear()
        if connection is not None:
            with suppress(OSError, exceptions.AMQPError):
                connection.collect()

    def _declare_queue(self, connection: amqp.Connection, queue: str) -> None:
        if queue in self._declared_queues:
            return
        if not _has_queue(connection, queue):
            arguments = {"x-queue-type": "quorum"}  # Partners must declare the same arguments.
            with closing(connection.channel()) as channel:
                channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
        self._declared_queues.add(queue)

    def check(self) -> None:
        """Implement `Transport.check`. Missing queues are created."""
        with self._convert_errors() as connection:
            for queue in (self._dead_letters, *self._topics):
                self._declare_queue(connection, queue)

    def receive(self, seconds: float, limit: int) -> Sequence[Message]:
        """Implement `Transport.receive`."""
        limit = min(limit, MAX_UNACKNOWLEDGED)
        with self._convert_errors() as connection:
            self._subscribe_to_queues(connection)
            self._drain_events(connection, 0 if self._pending_messages else seconds)
            while self._delivered_messages and len(self._pending_messages) < limit:
                message = self._delivered_messages.popleft()
                self._pending_messages[message.receipt] = message
        return list(self._pending_messages.values())[:limit]

    def _subscribe_to_queues(self, connection: amqp.Connection) -> None:
        if self._read_channel is not None:
            return
        for queue in (self._dead_letters, *self._topics):
            self._declare_queue(connection, queue)
        channel = amqp.Channel(connection, auto_decode=False)
        channel.open()
        channel.basic_qos(0, MAX_UNACKNOWLEDGED, a_global=False)
        for queue in self._topics:

            def deliver(message: amqp.Message, queue: str = queue) -> None:
                self._store_delivery(queue, message)

            channel.basic_consume(queue, callback=deliver)
        self._read_channel = channel

    def _store_delivery(self, queue: str, message: amqp.Message) -> None:
        receipt = next(self._receipts)
        self._tags[receipt] = message.delivery_tag or 0
        self._delivered_messages.append(_build_message(queue, message, receipt))

    def _drain_events(self, connection: amqp.Connection, seconds: float) -> None:
        """Wait until a message arrives, then read what else has arrived."""
        deadline = time.monotonic() + seconds
        while True:
            wait = 0.0 if self._delivered_messages else deadline - time.monotonic()
            try:
                connection.drain_events(timeout=max(wait, 0.001))
            except TimeoutError:
                return
            if len(self._delivered_messages) >= MAX_UNACKNOWLEDGED:
                return

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Implement `Transport.acknowledge`. Messages of an earlier connection repeat."""
        with self._convert_errors():
            for message in messages:
                tag = self._tags.pop(message.receipt, None)
                if tag is not None and self._read_channel is not None:
                    self._read_channel.basic_ack(tag)
                self._pending_messages.pop(message.receipt, None)

    def set_aside(self, message: Message, reason: str) -> None:
        """Implement `Transport.set_aside`."""
        value, is_whole = truncate_message(message)
        headers = {
            "key": message.key or b"",
            "topic": message.topic,
            "reason": truncate_reason(reason),
            "coordinates": message.coordinates,
            "whole": is_whole,
        }
        self._publish_message(self._dead_letters, value, headers, uuid.uuid4().hex)
        self.acknowledge([message])

    def send_again(self, limit: int) -> int:
        """Implement `Transport.send_again`."""
        count = 0
        with self._convert_errors() as connection:
            self._declare_queue(connection, self._dead_letters)
            channel = amqp.Channel(connection, auto_decode=False)
            channel.open()
            with closing(channel):  # Closing it returns letters that were left out.
                while count < limit and (letter := channel.basic_get(self._dead_letters)):
                    count += self._resend_letter(channel, letter)
        return count

    def _resend_letter(self, channel: amqp.Channel, letter: amqp.Message) -> bool:
        headers = _get_headers(letter)
        topic = str(headers.get("topic"))
        if not headers.get("whole") or topic not in self._topics or letter.delivery_tag is None:
            return False
        # It needs a new id, because its old id may be recognised as a duplicate.
        self._publish_message(
            topic, _get_body(letter), {"key": headers.get("key", b"")}, uuid.uuid4().hex
        )
        channel.basic_ack(letter.delivery_tag)
        return True

    def mark(self, topic: str) -> str:
        """Implement `Transport.mark`. It is empty, because a queue has no offsets."""
        return ""

    def send(self, answer: Answer) -> None:
        """Implement `Transport.send`. A repeated answer has the same message id."""
        check_size(answer)
        self._publish_message(answer.topic, answer.value, {"key": answer.key}, answer.id)

    def was_sent(self, answer: Answer, since: str | None) -> bool | None:
        """Implement `Transport.was_sent`. It is None, because a queue cannot be searched."""
        return None

    def _publish_message(
        self, queue: str, value: bytes, headers: Mapping[str, Any], message_id: str
    ) -> None:
        with self._convert_errors() as connection:
            self._declare_queue(connection, queue)
            if self._publish_channel is None:
                self._publish_channel = connection.channel()
            message = amqp.Message(
                value,
                application_headers=dict(headers),
                message_id=message_id,
                delivery_mode=PERSISTENT,
            )
            self._publish_confirmed(self._publish_channel, queue, message)

    def _publish_confirmed(self, channel: amqp.Channel, queue: str, message: amqp.Message) -> None:
        """Return once the queue has the message. A repeated message has the same message id.

        A quorum queue that is being created or has no leader rejects messages for a moment, and so
        does a full queue. The connection stays open, and so do its delivered messages.
        """
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                # With `mandatory`, a deleted queue is an error and no message is lost.
                channel.basic_publish(
                    message,
                    routing_key=queue,
                    mandatory=True,
                    timeout=ANSWER_SECONDS,
                    confirm_timeout=ANSWER_SECONDS,
                )
            except exceptions.MessageNacked as exc:
                if time.monotonic() > deadline:
                    text = (
                        f"RabbitMQ accepts no messages for the queue {queue}: check whether it is "
                        "full"
                    )
                    raise TransportError(text, is_outage=True) from exc
            else:
                return
            time.sleep(NACK_PAUSE_SECONDS)

    def close(self) -> None:
        """Implement `Transport.close`."""
        if self._cached_connection is not None:
            with suppress(OSError, exceptions.AMQPError):
                self._cached_connection.close()
        self._drop_connection()


def _build_options(settings: AmqpConnection) -> dict[str, Any]:
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


def _has_queue(connection: amqp.Connection, queue: str) -> bool:
    channel = connection.channel()
    try:
        channel.queue_declare(queue, passive=True)
    except exceptions.NotFound:
        return False  # The broker has closed the channel.
    channel.close()
    return True


def _build_message(queue: str, message: amqp.Message, receipt: int) -> Message:
    body = _get_body(message)
    key = _get_headers(message).get("key")
    if isinstance(key, str):
        key = key.encode()
    # A queue has no offsets: messages with the same id and content count as the same message.
    message_id = f"{message.properties.get('message_id', '')}\0".encode()
    coordinates = f"{queue}/{hashlib.sha256(message_id + body).hexdigest()[:40]}"
    return Message(
        queue, key if isinstance(key, bytes) and key else None, body, coordinates, receipt
    )


def _get_body(message: amqp.Message) -> bytes:
    return message.body.encode() if isinstance(message.body, str) else bytes(message.body)


def _get_headers(message: amqp.Message) -> Mapping[str, Any]:
    return message.properties.get("application_headers") or {}


def _classify_error(exc: Exception) -> TransportError:
    for kind, text in REFUSALS.items():
        if isinstance(exc, kind):
            return TransportError(f"{text}: {exc}", is_outage=False)
    return TransportError(f"RabbitMQ is away: {exc}", is_outage=True)
