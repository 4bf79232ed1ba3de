"""The consumers of docs/examples, as whoever copies them runs them: without code of ours."""

import ast
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest
import redis
from confluent_kafka import Producer
from django.conf import settings
from django.test import override_settings

from auteur.devstack.processes import BASE_DIR
from jobs.integrations.streams import encoding, schemas
from jobs.integrations.streams.encoding import create_encoder
from jobs.integrations.streams.records import Record
from jobs.integrations.streams.sinks.redis import get_key
from tests.jobs.integrations.streams import mock_cluster
from tests.jobs.integrations.streams.records import analytics, failed
from tests.jobs.integrations.streams.registry import LOGIN, Registry, serving

EXAMPLES = BASE_DIR / "docs" / "examples"
USER = "0d5b36ee-4b4f-4a6e-9d9c-3f1f8f7f5a10"
OTHER = "5b0e3a1c-2222-4a6e-9d9c-3f1f8f7f5a10"
WRITTEN = [(USER, 1), (USER, 2), (OTHER, 1), (USER, 1), (USER, 2), (USER, 3)]
"""Of which two are written again, as after a crash."""
ONCE = [(USER, 1), (USER, 2), (OTHER, 1), (USER, 3)]
USED = (USER, None)


@contextmanager
def following(name: str, *arguments: str) -> Iterator[Callable[[], tuple[str, int | None]]]:
    """What an example prints, record by record."""
    program = [sys.executable, str(EXAMPLES / name), *arguments]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd="/")
    lines: Queue[str] = Queue()
    assert process.stdout is not None
    threading.Thread(target=lambda: [*map(lines.put, process.stdout)], daemon=True).start()

    def printed() -> tuple[str, int | None]:
        record = ast.literal_eval(lines.get(timeout=30))
        return record["user_id"], record["seq"]

    try:
        yield printed
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", ["follow_redis.py", "follow_kafka.py"])
def test_they_are_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= 30


def test_redis(store: redis.Redis, tmp_path: Path) -> None:
    schemas.export_schemas(tmp_path)
    encode = create_encoder()

    def write(record: Record) -> None:
        store.xadd(get_key(record.stream), {"key": record.key, "value": encode(record)})

    for user_id, seq in (*WRITTEN[:3], USED):
        write(analytics(seq, user_id))
    arguments = (settings.REDIS_URL, "analytics.events", str(tmp_path))
    with following("follow_redis.py", *arguments) as printed:
        assert [printed() for _ in range(4)] == [*ONCE[:3], USED]
        for user_id, seq in WRITTEN[3:]:
            write(analytics(seq, user_id))
        assert printed() == ONCE[3]


def test_kafka_with_a_registry() -> None:
    encoding._client.cache_clear()
    with mock_cluster.running() as kafka, serving(Registry()) as registry:
        with override_settings(
            SCHEMA_REGISTRY_URL=registry.url,
            SCHEMA_REGISTRY_API_KEY=LOGIN[0],
            SCHEMA_REGISTRY_API_SECRET=LOGIN[1],
            SCHEMA_REGISTRY_AUTO_REGISTER=True,
        ):
            encode = create_encoder()
            encoded = [(user_id, encode(failed(seq, user_id))) for user_id, seq in WRITTEN]
        brokers = ",".join(kafka.addresses)
        producer = Producer({"bootstrap.servers": brokers})
        for key, value in encoded:
            producer.produce("jobs.failed", key=key, value=value)
        assert producer.flush(10) == 0
        login = registry.url.replace("http://", f"http://{':'.join(LOGIN)}@")
        with following("follow_kafka.py", brokers, "jobs.failed", login) as printed:
            read = [printed() for _ in ONCE]
    assert [first for first in read if first[0] == USER] == [(USER, 1), (USER, 2), (USER, 3)]
    assert (OTHER, 1) in read
    encoding._client.cache_clear()
