"""Kafka: an idempotent producer that has every record acknowledged by all replicas in sync.

librdkafka works in threads, which a fork would lose (confluent-kafka-python#1122): this is for a
process of its own, never for a worker that forks.
"""

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, Message, Producer

from jobs.streams.encoding import MAX_RECORD_BYTES
from jobs.streams.sinks.base import Encoded, SinkAwayError
from jobs.streams.sinks.kafka_client import Failures, configuration

WRITE_SECONDS = 10.0
"""For a batch to be acknowledged."""
CONNECT_SECONDS = 5.0
LINGER_MS = 5
QUEUE_KBYTES = 64 * 1024
"""What may wait in the client; a batch is smaller."""
OVERHEAD_BYTES = 64 * 1024
"""Of a record in a request: key, headers, lengths."""

Delivered = Callable[[KafkaError | None, Message], None]


class KafkaSink:
    """Publishes; what was written of a batch before a failure is written again."""

    def __init__(self) -> None:
        self._failures = Failures()
        self._made: Producer | None = None

    def begin(self) -> None:
        """As `Sink.begin`: Kafka keeps no position of ours."""
        producer = self._producer
        with self._failures.answering(producer):
            producer.list_topics(timeout=CONNECT_SECONDS)
        self._failures.clear()

    @property
    def _producer(self) -> Producer:
        if self._made is None:
            with self._failures.answering():
                self._made = Producer(
                    configuration(
                        self._failures,
                        enable_idempotence=True,
                        acks="all",
                        partitioner="murmur2_random",  # Java's: a user is in the same partition
                        compression_type="lz4",
                        linger_ms=LINGER_MS,
                        message_timeout_ms=int(1000 * WRITE_SECONDS),
                        message_max_bytes=MAX_RECORD_BYTES + OVERHEAD_BYTES,
                        queue_buffering_max_kbytes=QUEUE_KBYTES,
                    )
                )
        return self._made

    def write(self, records: Sequence[Encoded], position: int | None) -> None:
        """As `Sink.write`."""
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None and not failed:
                failed.append(error)

        with self._failures.answering():
            for record in records:
                self._produce(record, delivered)
            left = self._producer.flush(WRITE_SECONDS)
        if failed or left:
            self.close()
            raise self._failures.meaning(*failed)
        self._failures.clear()

    def _produce(self, record: Encoded, delivered: Delivered) -> None:
        try:
            self._hand_over(record, delivered)
        except BufferError:  # more than may wait
            if self._producer.flush(WRITE_SECONDS):
                self.close()
                raise SinkAwayError("Kafka is away: what waits is not taken") from None
            self._hand_over(record, delivered)

    def _hand_over(self, record: Encoded, delivered: Delivered) -> None:
        self._producer.produce(
            record.stream,
            key=record.key,
            value=record.value,
            timestamp=record.timestamp_ms,
            on_delivery=delivered,
        )

    def close(self) -> None:
        """As `Sink.close`: what was not acknowledged will be written again."""
        if self._made is not None:
            self._made.purge()
            self._made.flush(0)
            self._made = None
