"""Topics read from one place to their ends, by whoever looks: no other reader's place moves."""

import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from jobs.partners.transports.base import ANSWER_SECONDS
from jobs.partners.transports.connections import KafkaConnection
from jobs.partners.transports.kafka_client import Failures, configuration

SEARCH_SECONDS = 60.0
"""For a topic to be read to its end."""
POLL_SECONDS = 1.0
FETCH_MS = 50
"""To wait at an end, which is what is looked for."""


class KafkaReader:
    """Reads without joining the group ``group``, under whose name it may commit."""

    def __init__(self, connection: KafkaConnection, failures: Failures, group: str) -> None:
        self._failures = failures
        with failures.answering():
            self._consumer = Consumer(
                configuration(
                    connection,
                    failures,
                    group_id=group,
                    enable_auto_commit=False,
                    enable_partition_eof=True,
                    fetch_wait_max_ms=FETCH_MS,
                    auto_offset_reset="earliest",  # where what was to be read was just removed
                )
            )

    def partitions(self, topic: str) -> list[int]:
        """Of a topic; none where there is no such topic yet."""
        with self._failures.answering(self._consumer):
            found = self._consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
        return [] if found.error else sorted(found.partitions)

    def ends(self, topic: str) -> dict[int, int]:
        """Where its partitions end."""
        ends = {}
        with self._failures.answering(self._consumer):
            for number in self.partitions(topic):
                place = TopicPartition(topic, number)
                ends[number] = self._consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS)[
                    1
                ]
        return ends

    def committed(self, topic: str) -> dict[int, int]:
        """Where to read on, by what was committed; else the beginning."""
        places = [TopicPartition(topic, number) for number in self.partitions(topic)]
        with self._failures.answering(self._consumer):
            found = self._consumer.committed(places, timeout=ANSWER_SECONDS)
        return {place.partition: max(0, place.offset) for place in found}

    def commit(self, message: Message) -> None:
        """It and those before it are done."""
        with self._failures.answering(self._consumer):
            self._consumer.commit(message=message, asynchronous=False)

    def read(self, topic: str, starts: dict[int, int]) -> Iterator[Message]:
        """From the starts to the ends as they are when they are reached."""
        limit = time.monotonic() + SEARCH_SECONDS
        unread = set(starts)
        self._consumer.assign([TopicPartition(topic, *start) for start in starts.items()])
        try:
            while unread:
                message = self._consumer.poll(POLL_SECONDS)
                if message is not None and message.error() is None:
                    yield message
                elif message is not None:
                    self._note(message, unread)
                if time.monotonic() > limit:
                    raise self._failures.meaning()
        finally:
            self._consumer.unassign()

    def _note(self, message: Message, unread: set[Any]) -> None:
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            unread.discard(message.partition())
        elif error is not None and not error.retriable():
            raise self._failures.meaning(error)

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
