"""Redis streams, emptied for each test, and publishers that work on the test's own connection."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.conf import settings

from jobs.integrations.streams import encoding
from jobs.integrations.streams.publisher import Publisher
from jobs.integrations.streams.sinks.base import Sink
from jobs.integrations.streams.sinks.redis import PREFIX, RedisSink, get_key

Published = list[dict[str, Any]]


@pytest.fixture
def store() -> Iterator[redis.Redis]:
    """Redis, without streams."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        _empty(client)
        yield client
        _empty(client)


def _empty(client: redis.Redis) -> None:
    for key in client.scan_iter(f"{PREFIX}*"):
        client.delete(key)


@pytest.fixture
def read(store: redis.Redis) -> Callable[[str], Published]:
    """The values of a stream's records, in order."""

    def read(stream: str) -> Published:
        entries = store.xrange(get_key(stream))
        return [encoding.decode(fields[b"value"]) for _, fields in entries]

    return read


@pytest.fixture
def make_publisher(db: None, store: redis.Redis) -> Iterator[Callable[..., Publisher]]:
    """A publisher that nobody runs: tests let it do round after round."""
    created: list[Publisher] = []

    def make(sink: Sink | None = None, holder: str = "the test") -> Publisher:
        publisher = Publisher(sink or RedisSink(), holder=holder)
        created.append(publisher)
        return publisher

    yield make
    for publisher in created:
        publisher.stop()
        publisher.close()


@pytest.fixture
def publisher(make_publisher: Callable[..., Publisher]) -> Publisher:
    return make_publisher()


def rounds(publisher: Publisher, number: int = 3) -> None:
    """Publish as often, as the process does: whatever is away."""
    for _ in range(number):
        publisher.attempt(publisher.publish)
