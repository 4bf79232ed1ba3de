"""Inspect Kafka's topics, and create missing ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from jobs.integrations.streams.encoding import MAX_RECORD_BYTES
from jobs.integrations.streams.names import Stream
from jobs.integrations.streams.sinks import kafka_reading
from jobs.integrations.streams.sinks.base import (
    Check,
    GroupLag,
    SinkError,
    StoredRecord,
    StreamCreation,
    StreamLength,
    StreamStandings,
)
from jobs.integrations.streams.sinks.kafka import OVERHEAD_BYTES
from jobs.integrations.streams.sinks.kafka_client import Failures, build_configuration

ANSWER_SECONDS = 10.0
BROKERS_OWN = -1
"""The replication factor that stands for the cluster's default."""

Answer = TypeVar("Answer")


class KafkaAdmin:
    """The stream admin for Kafka."""

    def __init__(self) -> None:
        self._failures = Failures()
        with self._failures.translate_errors():
            self._client = AdminClient(build_configuration(self._failures))

    def create(self, streams: Iterable[Stream]) -> list[StreamCreation]:
        """Implement `StreamAdmin.create`."""
        streams_by_name = {stream.name: stream for stream in streams}
        existing_partitions = self._count_partitions()
        new_topics = [
            NewTopic(
                name,
                stream.partitions,
                BROKERS_OWN,
                config={
                    "retention.ms": str(int(1000 * stream.retention.total_seconds())),
                    "max.message.bytes": str(MAX_RECORD_BYTES + OVERHEAD_BYTES),
                },
            )
            for name, stream in streams_by_name.items()
            if name not in existing_partitions
        ]
        if new_topics:
            with self._failures.translate_errors(self._client):
                for future in self._client.create_topics(new_topics).values():
                    self._wait_for_result(future)
        return [StreamCreation(name, name not in existing_partitions) for name in streams_by_name]

    def _count_partitions(self) -> dict[str, int]:
        """Return the number of partitions of each existing topic."""
        with self._failures.translate_errors(self._client):
            topics = self._client.list_topics(timeout=ANSWER_SECONDS).topics
        return {name: len(topic.partitions) for name, topic in topics.items() if not topic.error}

    def _wait_for_result(self, future: "Future[Answer]") -> Answer:
        try:
            return future.result(ANSWER_SECONDS)
        except TimeoutError as exc:
            self._client.poll(0)
            raise self._failures.build_exception() from exc

    def check(self, streams: Iterable[Stream]) -> list[Check]:
        """Implement `StreamAdmin.check`."""
        try:
            existing_partitions = self._count_partitions()
        except SinkError as exc:
            return [Check("connection", problem=str(exc))]
        streams_by_name = {stream.name: stream for stream in streams}
        missing_names = [name for name in streams_by_name if name not in existing_partitions]
        problem = f"Missing: {', '.join(missing_names)}. Run `manage.py streams create`."
        return [
            Check("connection", "answers, and takes the credentials"),
            Check(
                "streams",
                f"{len(streams_by_name) - len(missing_names)} of {len(streams_by_name)}",
                problem if missing_names else "",
            ),
        ]

    def peek(self, stream: str, count: int) -> list[StoredRecord]:
        """Implement `StreamAdmin.peek`."""
        return kafka_reading.peek(stream, count)

    def tail(self, streams: Sequence[str]) -> Iterator[StoredRecord]:
        """Implement `StreamAdmin.tail`."""
        return kafka_reading.tail(streams)

    def standing(self, streams: Iterable[Stream]) -> StreamStandings:
        """Implement `StreamAdmin.standing`."""
        existing_partitions = self._count_partitions()
        partitions = [
            (stream.name, number)
            for stream in streams
            for number in range(existing_partitions.get(stream.name, 0))
        ]
        with self._failures.translate_errors(self._client):
            starts = self._list_offsets(partitions, OffsetSpec.earliest())
            ends = self._list_offsets(partitions, OffsetSpec.latest())
            groups = [
                lag for group in self._list_groups() for lag in self._compute_lags(group, ends)
            ]
        lengths: dict[str, int] = {}
        for name, number in partitions:
            count = ends[name, number] - starts[name, number]
            lengths[name] = lengths.get(name, 0) + count
        return StreamStandings(
            tuple(StreamLength(*item) for item in lengths.items()), tuple(groups)
        )

    def _list_offsets(
        self, partitions: Sequence[tuple[str, int]], spec: OffsetSpec
    ) -> dict[tuple[str, int], int]:
        if not partitions:
            return {}
        futures = self._client.list_offsets(
            {TopicPartition(*partition): spec for partition in partitions},
            request_timeout=ANSWER_SECONDS,
        )
        return {
            (partition.topic, partition.partition): self._wait_for_result(future).offset
            for partition, future in futures.items()
        }

    def _list_groups(self) -> list[str]:
        future = self._client.list_consumer_groups(request_timeout=ANSWER_SECONDS)
        return [group.group_id for group in self._wait_for_result(future).valid]

    def _compute_lags(self, group: str, ends: Mapping[tuple[str, int], int]) -> list[GroupLag]:
        """Return the group's lag in each stream of which it has read anything."""
        futures = self._client.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=ANSWER_SECONDS
        )
        partitions = self._wait_for_result(futures[group]).topic_partitions
        lags: dict[str, int] = {}
        for partition in partitions:
            end = ends.get((partition.topic, partition.partition))
            if end is not None and partition.offset >= 0:
                lags[partition.topic] = lags.get(partition.topic, 0) + max(
                    0, end - partition.offset
                )
        return [GroupLag(stream, group, lag) for stream, lag in lags.items()]
