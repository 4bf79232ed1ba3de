"""Kafka's topics looked at, and made."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from jobs.streams.encoding import MAX_RECORD_BYTES
from jobs.streams.names import Stream
from jobs.streams.sinks import kafka_reading
from jobs.streams.sinks.base import Check, GroupLag, Length, Made, SinkError, Standing, Stored
from jobs.streams.sinks.kafka import OVERHEAD_BYTES
from jobs.streams.sinks.kafka_client import Failures, configuration

ANSWER_SECONDS = 10.0
BROKERS_OWN = -1
"""How many replicas: as the cluster's default says."""

Answer = TypeVar("Answer")


class KafkaAdmin:
    """Looks at topics and makes them."""

    def __init__(self) -> None:
        self._failures = Failures()
        with self._failures.answering():
            self._client = AdminClient(configuration(self._failures))

    def create(self, streams: Iterable[Stream]) -> list[Made]:
        """As `StreamAdmin.create`."""
        wanted = {stream.name: stream for stream in streams}
        there = self._partitions()
        missing = [
            NewTopic(name, stream.partitions, BROKERS_OWN, config=_config(stream))
            for name, stream in wanted.items()
            if name not in there
        ]
        with self._failures.answering(self._client):
            if missing:
                for future in self._client.create_topics(missing).values():
                    self._result(future)
            found = self._configs([name for name in wanted if name in there])
        return [
            Made(name, name not in there, _differences(stream, there.get(name), found.get(name)))
            for name, stream in wanted.items()
        ]

    def _partitions(self) -> dict[str, int]:
        """Of the topics that there are."""
        with self._failures.answering(self._client):
            topics = self._client.list_topics(timeout=ANSWER_SECONDS).topics
        return {name: len(topic.partitions) for name, topic in topics.items() if not topic.error}

    def _configs(self, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        if not names:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        asked = self._client.describe_configs(resources, request_timeout=ANSWER_SECONDS)
        return {resource.name: self._result(future) for resource, future in asked.items()}

    def _result(self, future: "Future[Answer]") -> Answer:
        try:
            return future.result(ANSWER_SECONDS)
        except TimeoutError as exc:
            self._client.poll(0)
            raise self._failures.meaning() from exc

    def check(self, streams: Iterable[Stream]) -> list[Check]:
        """As `StreamAdmin.check`."""
        try:
            there = self._partitions()
        except SinkError as exc:
            return [Check("connection", problem=str(exc))]
        wanted = {stream.name: stream for stream in streams}
        missing = [name for name in wanted if name not in there]
        problem = f"Missing: {', '.join(missing)}. Run `manage.py streams create`."
        return [
            Check("connection", "answers, and takes the credentials"),
            Check(
                "streams",
                f"{len(wanted) - len(missing)} of {len(wanted)}",
                problem if missing else "",
            ),
        ]

    def peek(self, stream: str, count: int) -> list[Stored]:
        """As `StreamAdmin.peek`."""
        return kafka_reading.peek(stream, count)

    def tail(self, streams: Sequence[str]) -> Iterator[Stored]:
        """As `StreamAdmin.tail`."""
        return kafka_reading.tail(streams)

    def standing(self, streams: Iterable[Stream]) -> Standing:
        """As `StreamAdmin.standing`."""
        there = self._partitions()
        places = [
            (stream.name, number)
            for stream in streams
            for number in range(there.get(stream.name, 0))
        ]
        with self._failures.answering(self._client):
            first = self._offsets(places, OffsetSpec.earliest())
            ends = self._offsets(places, OffsetSpec.latest())
            groups = [lag for group in self._groups() for lag in self._lags(group, ends)]
        lengths: dict[str, int] = {}
        for name, number in places:
            kept = ends[name, number] - first[name, number]
            lengths[name] = lengths.get(name, 0) + kept
        return Standing(tuple(Length(*each) for each in lengths.items()), tuple(groups))

    def _offsets(
        self, places: Sequence[tuple[str, int]], spec: OffsetSpec
    ) -> dict[tuple[str, int], int]:
        if not places:
            return {}
        asked = self._client.list_offsets(
            {TopicPartition(*place): spec for place in places}, request_timeout=ANSWER_SECONDS
        )
        return {
            (place.topic, place.partition): self._result(future).offset
            for place, future in asked.items()
        }

    def _groups(self) -> list[str]:
        asked = self._client.list_consumer_groups(request_timeout=ANSWER_SECONDS)
        return [group.group_id for group in self._result(asked).valid]

    def _lags(self, group: str, ends: Mapping[tuple[str, int], int]) -> list[GroupLag]:
        """Of a group in each stream that it has read anything of."""
        asked = self._client.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=ANSWER_SECONDS
        )
        found = self._result(asked[group]).topic_partitions
        lags: dict[str, int] = {}
        for place in found:
            end = ends.get((place.topic, place.partition))
            if end is not None and place.offset >= 0:
                lags[place.topic] = lags.get(place.topic, 0) + max(0, end - place.offset)
        return [GroupLag(stream, group, lag) for stream, lag in lags.items()]


def _config(stream: Stream) -> dict[str, str]:
    return {
        "retention.ms": str(int(1000 * stream.retention.total_seconds())),
        "max.message.bytes": str(MAX_RECORD_BYTES + OVERHEAD_BYTES),
    }


def _differences(
    stream: Stream, partitions: int | None, found: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """How a topic that was there differs from what it would be made with."""
    if partitions is None:
        return ()
    differences = []
    if partitions != stream.partitions:
        differences.append(f"partitions: {partitions}, not {stream.partitions}")
    for name, wanted in _config(stream).items():
        entry = (found or {}).get(name)
        if entry is not None and entry.value != wanted:
            differences.append(f"{name}: {entry.value}, not {wanted}")
    return tuple(differences)
