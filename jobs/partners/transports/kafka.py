"""Kafka: a consumer that commits by hand, and a producer that has all replicas acknowledge."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage

from jobs.partners.transports.base import (
    ANSWER_SECONDS,
    MAX_ANSWER_BYTES,
    MAX_AT_ONCE,
    Answer,
    Message,
    TransportError,
)
from jobs.partners.transports.connections import KafkaConnection
from jobs.partners.transports.contents import checked, kept_of, reason_of
from jobs.partners.transports.kafka_client import REFUSALS, Failures, configuration
from jobs.partners.transports.kafka_reading import KafkaReader

Place = tuple[str, int]
"""A topic and the number of a partition."""
Receipt = tuple[str, int, int]
"""A topic, a partition and an offset."""

ID_HEADER = "id"
OVERHEAD_BYTES = 64 * 1024
"""Of a message in a request: key, headers, lengths."""
SESSION_MS = 15_000
"""A process that says nothing for so long has died: others read its partitions."""
HEARTBEATS = 5
"""In this time: one that is late is no death."""
QUEUE_KBYTES = 16 * 1024
"""Fetched ahead, of each partition."""
MOVED = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError._STATE,
    KafkaError._NO_OFFSET,
}
"""A commit comes too late, or too early: partitions go to other processes just now."""
PASSING = {
    KafkaError._PARTITION_EOF,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
"""After these other messages can be read; that a topic is missing, `check` tells."""
REFRESH_MS = 30_000
"""Between looks for topics that were missing."""


class KafkaTransport:
    """As `Transport`."""

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
        self._held: dict[Receipt, Message] = {}
        self._next: dict[Place, int] = {}
        """After the last message of a partition that was given."""

    def check(self) -> None:
        """As `Transport.check`."""
        try:
            reader = self._reading()
            missing = [topic for topic in self._topics if not reader.partitions(topic)]
        except TransportError:
            self._disconnect()
            raise
        if missing:
            text = f"Kafka has no topics {', '.join(missing)}: make them"
            raise TransportError(text, is_outage=False)

    def receive(self, seconds: float, most: int) -> Sequence[Message]:
        """As `Transport.receive`."""
        most = min(most, MAX_AT_ONCE)
        wait = 0.0 if self._held else seconds
        while len(self._held) < most:
            found = self._polled(wait)
            if found is None:
                break
            wait = 0.0
            self._hold(found)
        return list(self._held.values())[:most]

    def _polled(self, seconds: float) -> KafkaMessage | None:
        found = self._consuming().poll(seconds)
        error = self._failures.last if found is None else found.error()
        if error is None:
            self._failures.clear()
            return found
        if error.code() in PASSING or (found is None and not _is_whole_outage(error)):
            return None
        meaning = self._failures.meaning(error)
        if meaning.is_outage:
            self._failures.clear()  # it connects again by itself
        else:
            self._disconnect()
        raise meaning

    def _hold(self, found: KafkaMessage) -> None:
        topic, partition, offset = found.topic() or "", found.partition(), found.offset()
        if partition is None or offset is None:
            return
        # The time, since in a topic that was made anew the offsets begin again.
        coordinates = f"{topic}/{partition}/{offset}@{found.timestamp()[1]}"
        receipt = (topic, partition, offset)
        key = found.key() or None
        self._held[receipt] = Message(
            topic, _bytes(key), found.value() or b"", coordinates, receipt
        )
        self._next[topic, partition] = offset + 1

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """As `Transport.acknowledge`: commits what is done without gaps."""
        done = [self._held.pop(message.receipt, None) for message in messages]
        places = {one.receipt[:2] for one in done if one is not None}
        self._commit(self._consuming(), places)

    def _commit(self, consumer: Consumer, places: Collection[Place]) -> None:
        read = [place for place in places if place in self._next]
        offsets = [TopicPartition(*place, self._done_before(place)) for place in read]
        if not offsets:
            return
        try:
            consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as exc:
            # The next commit says it too; or it comes again, and somebody sees that it was here.
            if exc.args[0].code() not in MOVED:
                raise self._failures.meaning(exc.args[0]) from exc

    def _done_before(self, place: Place) -> int:
        waiting = [receipt[2] for receipt in self._held if receipt[:2] == place]
        return min(waiting, default=self._next[place])

    def _revoked(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Others read them now, from what was committed."""
        gone = {(one.topic, one.partition) for one in partitions}
        with suppress(TransportError):
            self._commit(consumer, gone)
        self._forget(gone)

    def _lost(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Others have been reading them."""
        self._forget({(one.topic, one.partition) for one in partitions})

    def _forget(self, places: set[Place]) -> None:
        self._held = {at: one for at, one in self._held.items() if at[:2] not in places}
        self._next = {place: at for place, at in self._next.items() if place not in places}

    def set_aside(self, message: Message, reason: str) -> None:
        """As `Transport.set_aside`."""
        value, is_whole = kept_of(message)
        headers = {
            "topic": message.topic,
            "reason": reason_of(reason),
            "coordinates": message.coordinates,
            "whole": str(int(is_whole)),
        }
        self._produce(self._dead_letters, message.key, value, headers)
        self.acknowledge([message])

    def send_again(self, most: int) -> int:
        """As `Transport.send_again`; Kafka keeps dead letters until they are too old."""
        sent = 0
        reader = self._reading()
        for letter in reader.read(self._dead_letters, reader.committed(self._dead_letters)):
            headers = _headers(letter)
            if headers.get("whole") == "1":
                self._produce(headers["topic"], _bytes(letter.key()), letter.value() or b"", {})
                sent += 1
            reader.commit(letter)
            if sent >= most:
                break
        return sent

    def mark(self, topic: str) -> str:
        """As `Transport.mark`: the ends of the partitions, as ``0:17,1:4``."""
        ends = self._reading().ends(topic)
        return ",".join(f"{number}:{end}" for number, end in ends.items())

    def send(self, answer: Answer) -> None:
        """As `Transport.send`."""
        checked(answer)
        headers = {ID_HEADER: answer.id}
        self._produce(answer.topic, answer.key.encode(), answer.value, headers)

    def was_sent(self, answer: Answer, since: str | None) -> bool | None:
        """As `Transport.was_sent`: looks at what came after the mark."""
        if since is None:
            return None
        reader = self._reading()
        pairs = (one.partition(":") for one in since.split(",") if one)
        noted = {int(number): int(end) for number, _, end in pairs}
        starts = {number: noted.get(number, 0) for number in reader.partitions(answer.topic)}
        found = reader.read(answer.topic, starts)
        return any(_headers(message).get(ID_HEADER) == answer.id for message in found)

    def _produce(
        self, topic: str, key: bytes | None, value: bytes, headers: Mapping[str, str]
    ) -> None:
        failed: list[KafkaError] = []
        producer = self._producing()

        def delivered(error: KafkaError | None, message: KafkaMessage) -> None:
            if error is not None:
                failed.append(error)

        with self._failures.answering(producer):
            producer.produce(
                topic, key=key, value=value, headers=dict(headers), on_delivery=delivered
            )
            left = producer.flush(ANSWER_SECONDS + 1)
        if failed or left:
            producer.purge()
            producer.flush(0)
            self._producer = None
            raise self._failures.meaning(*failed)
        self._failures.clear()

    def _producing(self) -> Producer:
        if self._producer is None:
            with self._failures.answering():
                self._producer = Producer(
                    configuration(
                        self._connection,
                        self._failures,
                        enable_idempotence=True,
                        acks="all",
                        partitioner="murmur2_random",  # Java's
                        linger_ms=0,  # each is waited for
                        message_timeout_ms=int(1000 * ANSWER_SECONDS),
                        message_max_bytes=MAX_ANSWER_BYTES + OVERHEAD_BYTES,
                    )
                )
        return self._producer

    def _consuming(self) -> Consumer:
        if self._consumer is None:
            with self._failures.answering():
                made = Consumer(
                    configuration(
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
                made.subscribe(self._topics, on_revoke=self._revoked, on_lost=self._lost)
            self._consumer = made
        return self._consumer

    def _reading(self) -> KafkaReader:
        if self._reader is None:
            group = f"{self._group}.again"
            self._reader = KafkaReader(self._connection, self._failures, group)
        return self._reader

    def close(self) -> None:
        """As `Transport.close`."""
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
        self._forget(set(self._next))
        self._failures = Failures()


def _is_whole_outage(error: KafkaError) -> bool:
    """Or one that says what must be changed; one broker of several may be away."""
    return error.code() == KafkaError._ALL_BROKERS_DOWN or error.code() in REFUSALS


def _bytes(key: str | bytes | None) -> bytes | None:
    return key.encode() if isinstance(key, str) else key


def _headers(message: KafkaMessage) -> dict[str, str]:
    found: Any = message.headers() or []
    return {name: (value or b"").decode(errors="replace") for name, value in found}
