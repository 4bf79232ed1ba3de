"""What the stack publishes, read from each sink as it comes, from where that ends now on."""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple, Protocol

import redis
from confluent_kafka import Consumer, TopicPartition

PREFIX = "auteur:streams:"
WAIT_SECONDS = 0.5
ANSWER_SECONDS = 10.0
AT_ONCE = 500


class Published(NamedTuple):
    """A record."""

    stream: str
    key: str
    value: bytes


class Records(Protocol):
    """A place in every stream; for one thread."""

    def read(self) -> Iterator[Published]:
        """What has come meanwhile, waiting a little for it; raises ``redis.RedisError``."""

    def close(self) -> None:
        """Disconnect."""


class RedisRecords:
    """Of Redis Streams."""

    def __init__(self, client: redis.Redis, streams: Collection[str]) -> None:
        self._client: Any = client
        self._last: dict[Any, Any] = {f"{PREFIX}{name}": "0-0" for name in streams}
        for key in self._last:
            for entry_id, _ in self._client.xrevrange(key, count=1):
                self._last[key] = entry_id

    def read(self) -> Iterator[Published]:
        """As `Records.read`."""
        results = self._client.xread(self._last, block=int(1000 * WAIT_SECONDS))
        for key, entries in dict(results or {}).items():
            for entry_id, fields in entries:
                self._last[key.decode()] = entry_id
                stream = key.decode().removeprefix(PREFIX)
                yield Published(stream, fields[b"key"].decode(), fields[b"value"])

    def close(self) -> None:
        """As `Records.close`."""
        self._client.close()


class KafkaRecords:
    """Of Kafka, whose topics it makes if they are missing: a new one would be found too late."""

    def __init__(self, brokers: Collection[str], streams: Collection[str]) -> None:
        options: dict[str, Any] = {
            "bootstrap.servers": ",".join(brokers),
            "group.id": "chaos",
            "log_level": 0,
        }
        options |= {"allow.auto.create.topics": True, "enable.auto.commit": False}
        self._consumer = Consumer(options)
        self._consumer.assign([end for name in streams for end in self._ends(name)])

    def _ends(self, stream: str) -> Iterator[TopicPartition]:
        topic = self._consumer.list_topics(stream, timeout=ANSWER_SECONDS).topics[stream]
        for number in topic.partitions:
            topic_partition = TopicPartition(stream, number)
            _, topic_partition.offset = self._consumer.get_watermark_offsets(
                topic_partition, timeout=ANSWER_SECONDS
            )
            yield topic_partition

    def read(self) -> Iterator[Published]:
        """As `Records.read`; it connects again by itself."""
        for message in self._consumer.consume(AT_ONCE, timeout=WAIT_SECONDS):
            if message.error() is None:
                key = (message.key() or b"").decode()
                yield Published(message.topic() or "", key, message.value() or b"")

    def close(self) -> None:
        """As `Records.close`."""
        self._consumer.close()
