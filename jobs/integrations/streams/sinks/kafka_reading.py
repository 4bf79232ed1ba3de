"""Read records from Kafka without a consumer group, so that no group's offsets change."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from jobs.integrations.streams.sinks.base import StoredRecord
from jobs.integrations.streams.sinks.kafka_client import Failures, build_configuration

ANSWER_SECONDS = 10.0
POLL_SECONDS = 0.5
GROUP = "auteur-streams"
"""Kafka's client requires a group name. Nothing is ever committed under it."""


def peek(stream: str, count: int) -> list[StoredRecord]:
    """Return the last records by time, the oldest first."""
    failures = Failures()
    with closing(_create_consumer(failures)) as consumer, failures.translate_errors():
        ends: dict[int, int] = {}
        starts = []
        for number in _list_partitions(consumer, stream):
            partition = TopicPartition(stream, number)
            first, end = consumer.get_watermark_offsets(partition, timeout=ANSWER_SECONDS)
            if end > first:
                ends[number] = end
                starts.append(TopicPartition(stream, number, max(first, end - count)))
        if not starts:
            return []
        consumer.assign(starts)
        records = _read_until(consumer, ends, failures)
    return sorted(records, key=lambda record: record.at)[-count:]


def _read_until(consumer: Consumer, ends: dict[int, int], failures: Failures) -> list[StoredRecord]:
    records = []
    deadline = time.monotonic() + ANSWER_SECONDS
    while ends and time.monotonic() < deadline:
        message = _poll_message(consumer, failures)
        if message is None:
            continue
        records.append(_build_stored(message))
        number, offset = message.partition(), message.offset()
        if number in ends and offset is not None and offset + 1 >= ends[number]:
            del ends[number]
    return records


def tail(streams: Sequence[str]) -> Iterator[StoredRecord]:
    """Yield the records that are added from now on."""
    failures = Failures()
    with closing(_create_consumer(failures)) as consumer, failures.translate_errors():
        partitions = []
        for stream in streams:
            for number in _list_partitions(consumer, stream):
                partition = TopicPartition(stream, number)
                _, end = consumer.get_watermark_offsets(partition, timeout=ANSWER_SECONDS)
                partitions.append(TopicPartition(stream, number, end))
        consumer.assign(partitions)
        while True:
            message = _poll_message(consumer, failures)
            if message is not None:
                yield _build_stored(message)


def _create_consumer(failures: Failures) -> Consumer:
    with failures.translate_errors():
        return Consumer(
            build_configuration(
                failures,
                group_id=GROUP,
                enable_auto_commit=False,
                auto_offset_reset="earliest",  # The requested offset may just have been deleted.
            )
        )


def _list_partitions(consumer: Consumer, stream: str) -> list[int]:
    topic = consumer.list_topics(stream, timeout=ANSWER_SECONDS).topics[stream]
    return [] if topic.error else list(topic.partitions)


def _poll_message(consumer: Consumer, failures: Failures) -> Message | None:
    message = consumer.poll(POLL_SECONDS)
    if message is None:
        return None
    error = message.error()
    if error is None:
        return message
    if error.code() == KafkaError._PARTITION_EOF or error.retriable():
        return None
    raise failures.build_exception(error)


def _build_stored(message: Message) -> StoredRecord:
    _, milliseconds = message.timestamp()
    return StoredRecord(
        message.topic() or "",
        f"{message.partition()}:{message.offset()}",
        (message.key() or b"").decode(errors="replace"),
        message.value() or b"",
        datetime.fromtimestamp(milliseconds / 1000, UTC),
    )
