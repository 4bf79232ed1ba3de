"""Write records to Kafka with an idempotent producer, acknowledged by all in-sync replicas.

librdkafka works in threads, which a fork would lose (confluent-kafka-python#1122). Use this module
in a process of its own, never in a worker that forks.
"""

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, Message, Producer

from jobs.integrations.streams.encoding import MAX_RECORD_BYTES
from jobs.integrations.streams.sinks.base import EncodedRecord, SinkAwayError
from jobs.integrations.streams.sinks.kafka_client import Failures, build_configuration

WRITE_SECONDS = 10.0
"""How long the acknowledgement of a batch may take."""
CONNECT_SECONDS = 5.0
LINGER_MS = 5
QUEUE_KBYTES = 64 * 1024
"""How much may wait in the client. A batch is smaller."""
OVERHEAD_BYTES = 64 * 1024
"""The size of a record's key, headers and lengths in a request, at most."""

DeliveryCallback = Callable[[KafkaError | None, Message], None]


class KafkaSink:
    """The sink for Kafka. After a failure, the whole batch is written again."""

    def __init__(self) -> None:
        self._failures = Failures()
        self._cached_producer: Producer | None = None

    def begin(self) -> None:
        """Implement `Sink.begin`. Kafka stores no position of ours."""
        producer = self._producer
        with self._failures.translate_errors(producer):
            producer.list_topics(timeout=CONNECT_SECONDS)
        self._failures.clear()

    @property
    def _producer(self) -> Producer:
        if self._cached_producer is None:
            with self._failures.translate_errors():
                self._cached_producer = Producer(
                    build_configuration(
                        self._failures,
                        enable_idempotence=True,
                        acks="all",
                        partitioner="murmur2_random",  # As in Java: a user has one partition.
                        compression_type="lz4",
                        linger_ms=LINGER_MS,
                        message_timeout_ms=int(1000 * WRITE_SECONDS),
                        message_max_bytes=MAX_RECORD_BYTES + OVERHEAD_BYTES,
                        queue_buffering_max_kbytes=QUEUE_KBYTES,
                    )
                )
        return self._cached_producer

    def write(self, records: Sequence[EncodedRecord], position: int | None) -> None:
        """Implement `Sink.write`."""
        errors: list[KafkaError] = []

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is not None and not errors:
                errors.append(error)

        with self._failures.translate_errors():
            for record in records:
                self._produce_with_flush(record, on_delivery)
            unsent_count = self._producer.flush(WRITE_SECONDS)
        if errors or unsent_count:
            self.close()
            raise self._failures.build_exception(*errors)
        self._failures.clear()

    def _produce_with_flush(self, record: EncodedRecord, on_delivery: DeliveryCallback) -> None:
        try:
            self._produce_record(record, on_delivery)
        except BufferError:  # The client's queue is full.
            if self._producer.flush(WRITE_SECONDS):
                self.close()
                raise SinkAwayError("Kafka is away: it does not accept waiting records") from None
            self._produce_record(record, on_delivery)

    def _produce_record(self, record: EncodedRecord, on_delivery: DeliveryCallback) -> None:
        self._producer.produce(
            record.stream,
            key=record.key,
            value=record.value,
            timestamp=record.timestamp_ms,
            on_delivery=on_delivery,
        )

    def close(self) -> None:
        """Implement `Sink.close`. Unacknowledged records will be written again."""
        if self._cached_producer is not None:
            self._cached_producer.purge()
            self._cached_producer.flush(0)
            self._cached_producer = None
