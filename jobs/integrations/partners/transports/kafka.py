"""Exchange messages over Kafka, with manual commits and an idempotent producer."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage

from jobs.integrations.partners.transports.base import (
    ANSWER_SECONDS,
    MAX_ANSWER_BYTES,
    MAX_UNACKNOWLEDGED,
    Answer,
    Message,
    TransportError,
)
from jobs.integrations.partners.transports.connections import KafkaConnection
from jobs.integrations.partners.transports.contents import (
    check_size,
    truncate_message,
    truncate_reason,
)
from jobs.integrations.partners.transports.kafka_client import (
    REFUSALS,
    Failures,
    build_configuration,
)
from jobs.integrations.partners.transports.kafka_reading import KafkaReader

PartitionKey = tuple[str, int]
"""The topic and the number of a partition."""
Receipt = tuple[str, int, int]
"""The topic, partition and offset of a message."""

ID_HEADER = "id"
OVERHEAD_BYTES = 64 * 1024
"""The size of a message's key, headers and lengths in a request, at most."""
SESSION_MS = 15_000
"""The time without heartbeats after which a process counts as dead and loses its partitions."""
HEARTBEATS = 5
"""How many heartbeats are sent in this time, so that a late one does no harm."""
QUEUE_KBYTES = 16 * 1024
"""How much is fetched ahead from each partition."""
REBALANCE_ERRORS = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError._STATE,
    KafkaError._NO_OFFSET,
}
"""Errors of commits during a rebalance, when partitions move to other processes."""
TRANSIENT_ERRORS = {
    KafkaError._PARTITION_EOF,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
"""Errors after which other messages can be read. `check` reports missing topics."""
REFRESH_MS = 30_000
"""How often missing topics are looked up again."""


class KafkaTransport:
    """The transport for Kafka."""

    def __init__(
        self, connection: KafkaConnection, *, topics: Sequence[str], group: str, dead_letters: str
    ) -> None:
        self._connection = connection
        self._topics = list(topics)
        self._group = group
        self._dead_letters = dead_letters
        self._failures = Failures()
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None
        self._reader: KafkaReader | None = None
        self._pending_messages: dict[Receipt, Message] = {}
        self._next_offsets: dict[PartitionKey, int] = {}
        """The offset after the last received message, by partition."""

    def check(self) -> None:
        """Implement `Transport.check`."""
        try:
            reader = self._get_reader()
            missing_topics = [topic for topic in self._topics if not reader.partitions(topic)]
        except TransportError:
            self._disconnect()
            raise
        if missing_topics:
            text = f"Kafka lacks the topics {', '.join(missing_topics)}: create them"
            raise TransportError(text, is_outage=False)

    def receive(self, seconds: float, limit: int) -> Sequence[Message]:
        """Implement `Transport.receive`."""
        limit = min(limit, MAX_UNACKNOWLEDGED)
        wait = 0.0 if self._pending_messages else seconds
        while len(self._pending_messages) < limit:
            message = self._poll_message(wait)
            if message is None:
                break
            wait = 0.0
            self._add_message(message)
        return list(self._pending_messages.values())[:limit]

    def _poll_message(self, seconds: float) -> KafkaMessage | None:
        message = self._get_consumer().poll(seconds)
        error = self._failures.last if message is None else message.error()
        if error is None:
            self._failures.clear()
            return message
        if error.code() in TRANSIENT_ERRORS or (
            message is None and not _is_outage_or_refusal(error)
        ):
            return None
        transport_error = self._failures.build_exception(error)
        if transport_error.is_outage:
            self._failures.clear()  # The client reconnects by itself.
        else:
            self._disconnect()
        raise transport_error

    def _add_message(self, message: KafkaMessage) -> None:
        topic, partition, offset = message.topic() or "", message.partition(), message.offset()
        if partition is None or offset is None:
            return
        # The timestamp is needed because the offsets of a recreated topic start again.
        coordinates = f"{topic}/{partition}/{offset}@{message.timestamp()[1]}"
        receipt = (topic, partition, offset)
        key = message.key() or None
        self._pending_messages[receipt] = Message(
            topic, _encode_key(key), message.value() or b"", coordinates, receipt
        )
        self._next_offsets[topic, partition] = offset + 1

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Implement `Transport.acknowledge`: commit up to the first unacknowledged message."""
        acknowledged_messages = [
            self._pending_messages.pop(message.receipt, None) for message in messages
        ]
        partitions = {
            message.receipt[:2] for message in acknowledged_messages if message is not None
        }
        self._commit_offsets(self._get_consumer(), partitions)

    def _commit_offsets(self, consumer: Consumer, partitions: Collection[PartitionKey]) -> None:
        known_partitions = [
            partition for partition in partitions if partition in self._next_offsets
        ]
        offsets = [
            TopicPartition(*partition, self._get_commit_offset(partition))
            for partition in known_partitions
        ]
        if not offsets:
            return
        try:
            consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as exc:
            # The next commit includes these offsets, or the messages repeat and are recognised.
            if exc.args[0].code() not in REBALANCE_ERRORS:
                raise self._failures.build_exception(exc.args[0]) from exc

    def _get_commit_offset(self, partition: PartitionKey) -> int:
        pending_offsets = [
            receipt[2] for receipt in self._pending_messages if receipt[:2] == partition
        ]
        return min(pending_offsets, default=self._next_offsets[partition])

    def _on_revoke(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Commit what is acknowledged. Other processes continue from there."""
        revoked_partitions = {(partition.topic, partition.partition) for partition in partitions}
        with suppress(TransportError):
            self._commit_offsets(consumer, revoked_partitions)
        self._forget_partitions(revoked_partitions)

    def _on_lost(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Forget partitions that other processes already read."""
        self._forget_partitions(
            {(partition.topic, partition.partition) for partition in partitions}
        )

    def _forget_partitions(self, partitions: set[PartitionKey]) -> None:
        self._pending_messages = {
            receipt: message
            for receipt, message in self._pending_messages.items()
            if receipt[:2] not in partitions
        }
        self._next_offsets = {
            partition: offset
            for partition, offset in self._next_offsets.items()
            if partition not in partitions
        }

    def set_aside(self, message: Message, reason: str) -> None:
        """Implement `Transport.set_aside`."""
        value, is_whole = truncate_message(message)
        headers = {
            "topic": message.topic,
            "reason": truncate_reason(reason),
            "coordinates": message.coordinates,
            "whole": str(int(is_whole)),
        }
        self._produce_message(self._dead_letters, message.key, value, headers)
        self.acknowledge([message])

    def send_again(self, limit: int) -> int:
        """Implement `Transport.send_again`. Kafka keeps dead letters until their retention ends."""
        count = 0
        reader = self._get_reader()
        for letter in reader.read(self._dead_letters, reader.committed(self._dead_letters)):
            headers = _get_headers(letter)
            if headers.get("whole") == "1":
                self._produce_message(
                    headers["topic"], _encode_key(letter.key()), letter.value() or b"", {}
                )
                count += 1
            reader.commit(letter)
            if count >= limit:
                break
        return count

    def mark(self, topic: str) -> str:
        """Implement `Transport.mark`: the end offsets of the partitions, as ``0:17,1:4``."""
        ends = self._get_reader().ends(topic)
        return ",".join(f"{number}:{end}" for number, end in ends.items())

    def send(self, answer: Answer) -> None:
        """Implement `Transport.send`."""
        check_size(answer)
        headers = {ID_HEADER: answer.id}
        self._produce_message(answer.topic, answer.key.encode(), answer.value, headers)

    def was_sent(self, answer: Answer, since: str | None) -> bool | None:
        """Implement `Transport.was_sent` by reading the messages after the mark."""
        if since is None:
            return None
        reader = self._get_reader()
        pairs = (pair.partition(":") for pair in since.split(",") if pair)
        marked_ends = {int(number): int(end) for number, _, end in pairs}
        starts = {number: marked_ends.get(number, 0) for number in reader.partitions(answer.topic)}
        messages = reader.read(answer.topic, starts)
        return any(_get_headers(message).get(ID_HEADER) == answer.id for message in messages)

    def _produce_message(
        self, topic: str, key: bytes | None, value: bytes, headers: Mapping[str, str]
    ) -> None:
        errors: list[KafkaError] = []
        producer = self._get_producer()

        def on_delivery(error: KafkaError | None, message: KafkaMessage) -> None:
            if error is not None:
                errors.append(error)

        with self._failures.translate_errors(producer):
            producer.produce(
                topic, key=key, value=value, headers=dict(headers), on_delivery=on_delivery
            )
            unsent_count = producer.flush(ANSWER_SECONDS + 1)
        if errors or unsent_count:
            producer.purge()
            producer.flush(0)
            self._producer = None
            raise self._failures.build_exception(*errors)
        self._failures.clear()

    def _get_producer(self) -> Producer:
        if self._producer is None:
            with self._failures.translate_errors():
                self._producer = Producer(
                    build_configuration(
                        self._connection,
                        self._failures,
                        enable_idempotence=True,
                        acks="all",
                        partitioner="murmur2_random",  # As in Java.
                        linger_ms=0,  # Every message is flushed.
                        message_timeout_ms=int(1000 * ANSWER_SECONDS),
                        message_max_bytes=MAX_ANSWER_BYTES + OVERHEAD_BYTES,
                    )
                )
        return self._producer

    def _get_consumer(self) -> Consumer:
        if self._consumer is None:
            with self._failures.translate_errors():
                consumer = Consumer(
                    build_configuration(
                        self._connection,
                        self._failures,
                        group_id=self._group,
                        enable_auto_commit=False,
                        auto_offset_reset="earliest",
                        partition_assignment_strategy="cooperative-sticky",
                        session_timeout_ms=SESSION_MS,
                        heartbeat_interval_ms=SESSION_MS // HEARTBEATS,
                        topic_metadata_refresh_interval_ms=REFRESH_MS,
                        queued_max_messages_kbytes=QUEUE_KBYTES,
                    )
                )
                consumer.subscribe(self._topics, on_revoke=self._on_revoke, on_lost=self._on_lost)
            self._consumer = consumer
        return self._consumer

    def _get_reader(self) -> KafkaReader:
        if self._reader is None:
            group = f"{self._group}.again"
            self._reader = KafkaReader(self._connection, self._failures, group)
        return self._reader

    def close(self) -> None:
        """Implement `Transport.close`."""
        self._disconnect()

    def _disconnect(self) -> None:
        consumer, reader, producer = self._consumer, self._reader, self._producer
        self._consumer = self._reader = self._producer = None
        if consumer is not None:
            consumer.close()
        if reader is not None:
            reader.close()
        if producer is not None:
            producer.purge()
            producer.flush(0)
        self._forget_partitions(set(self._next_offsets))
        self._failures = Failures()


def _is_outage_or_refusal(error: KafkaError) -> bool:
    """Return True if no broker answers or something must be changed.

    An outage of one of several brokers is neither.
    """
    return error.code() == KafkaError._ALL_BROKERS_DOWN or error.code() in REFUSALS


def _encode_key(key: str | bytes | None) -> bytes | None:
    return key.encode() if isinstance(key, str) else key


def _get_headers(message: KafkaMessage) -> dict[str, str]:
    headers: Any = message.headers() or []
    return {name: (value or b"").decode(errors="replace") for name, value in headers}
