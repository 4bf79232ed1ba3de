"""Read topics from given offsets to their ends, without changing any group's offsets."""

import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from jobs.integrations.partners.transports.base import ANSWER_SECONDS
from jobs.integrations.partners.transports.connections import KafkaConnection
from jobs.integrations.partners.transports.kafka_client import Failures, build_configuration

SEARCH_SECONDS = 60.0
"""How long reading a topic to its end may take."""
POLL_SECONDS = 1.0
FETCH_MS = 50
"""How long the broker waits at the end of a partition. The reader stops there."""


class KafkaReader:
    """A reader that does not join ``group``, but may commit offsets for it."""

    def __init__(self, connection: KafkaConnection, failures: Failures, group: str) -> None:
        self._failures = failures
        with failures.translate_errors():
            self._consumer = Consumer(
                build_configuration(
                    connection,
                    failures,
                    group_id=group,
                    enable_auto_commit=False,
                    enable_partition_eof=True,
                    fetch_wait_max_ms=FETCH_MS,
                    auto_offset_reset="earliest",  # The requested offset may be gone.
                )
            )

    def partitions(self, topic: str) -> list[int]:
        """Return the partitions of a topic. A missing topic has none."""
        with self._failures.translate_errors(self._consumer):
            metadata = self._consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
        return [] if metadata.error else sorted(metadata.partitions)

    def ends(self, topic: str) -> dict[int, int]:
        """Return the end offset of each partition."""
        ends = {}
        with self._failures.translate_errors(self._consumer):
            for number in self.partitions(topic):
                partition = TopicPartition(topic, number)
                ends[number] = self._consumer.get_watermark_offsets(
                    partition, timeout=ANSWER_SECONDS
                )[1]
        return ends

    def committed(self, topic: str) -> dict[int, int]:
        """Return the committed offset of each partition, or its beginning."""
        partitions = [TopicPartition(topic, number) for number in self.partitions(topic)]
        with self._failures.translate_errors(self._consumer):
            committed_offsets = self._consumer.committed(partitions, timeout=ANSWER_SECONDS)
        return {partition.partition: max(0, partition.offset) for partition in committed_offsets}

    def commit(self, message: Message) -> None:
        """Commit the offset after this message."""
        with self._failures.translate_errors(self._consumer):
            self._consumer.commit(message=message, asynchronous=False)

    def read(self, topic: str, starts: dict[int, int]) -> Iterator[Message]:
        """Yield messages from the start offsets to the current ends."""
        deadline = time.monotonic() + SEARCH_SECONDS
        unread = set(starts)
        self._consumer.assign([TopicPartition(topic, *start) for start in starts.items()])
        try:
            while unread:
                message = self._consumer.poll(POLL_SECONDS)
                if message is not None and message.error() is None:
                    yield message
                elif message is not None:
                    self._handle_error(message, unread)
                if time.monotonic() > deadline:
                    raise self._failures.build_exception()
        finally:
            self._consumer.unassign()

    def _handle_error(self, message: Message, unread: set[Any]) -> None:
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            unread.discard(message.partition())
        elif error is not None and not error.retriable():
            raise self._failures.build_exception(error)

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
