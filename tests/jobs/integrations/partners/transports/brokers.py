"""Brokers for tests, each as its transport reaches it and as a partner does."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from auteur.devstack.ports import find_free_ports
from auteur.devstack.processes import BASE_DIR
from auteur.devstack.services import _find_redis_binary
from jobs.integrations.partners.transports import connect
from jobs.integrations.partners.transports.base import Message, Transport, TransportError
from tests.jobs.integrations.streams import mock_cluster
from tests.waiting import hang

WAIT_SECONDS = 30.0
EXAMPLES = BASE_DIR / "docs" / "examples" / "partner"
REDIS_PASSWORD = "a-password-of-redis"


@dataclass
class Broker:
    """A running one."""

    transport: str
    connection: dict[str, Any]
    pid: int
    with_wrong_password: dict[str, Any] | None = None
    open: list[Transport] = field(default_factory=list)

    def connect(self, topic: str, group: str = "auteur") -> Transport:
        """A transport that reads one topic; it is closed after the test."""
        created = connect(
            self.transport,
            self.connection,
            topics=[topic],
            group=f"{group}.{topic}",
            dead_letters=f"{topic}.dead",
        )
        self.open.append(created)
        return created

    def hang(self) -> None:
        """It accepts connections, and answers nothing."""
        hang(self.pid)

    def go_on(self) -> None:
        """After `hang`."""
        os.kill(self.pid, signal.SIGCONT)


def example(broker: Broker, *videos: str) -> list[str]:
    """The command of the platform that we ship as an example."""
    reached = broker.connection.get("url") or ",".join(broker.connection["brokers"])
    return [sys.executable, str(EXAMPLES / f"over_{broker.transport}.py"), reached, *videos]


def new_topic(name: str = "Transcribe") -> str:
    """That no other test has."""
    return f"{name}.{uuid.uuid4().hex[:8]}"


def wait_for_topics(transport: Transport) -> None:
    """Until they are there: Kafka's have to be made by somebody, here by the platform's example."""
    limit = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            transport.check()
        except TransportError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.1)
        else:
            return


def wait_for(transport: Transport, count: int) -> list[Message]:
    """What is received once so much is there; nothing is acknowledged."""
    limit = time.monotonic() + WAIT_SECONDS
    results: list[Message] = []
    while len(results) < count:
        results = list(transport.receive(0.2, 100))
        assert time.monotonic() < limit, results
    return results


@contextlib.contextmanager
def running(transport: str, data: Path) -> Iterator[Broker]:
    """Of a kind, until the block ends."""
    with {"redis": _redis, "kafka": _kafka}[transport](data) as broker:
        yield broker


@contextlib.contextmanager
def _redis(data: Path) -> Iterator[Broker]:
    (port,) = find_free_ports(1)
    (data / "redis.conf").write_text(
        f"port {port}\nbind 127.0.0.1\nsave ''\ndir {data}\nrequirepass {REDIS_PASSWORD}\n"
    )
    server = subprocess.Popen(
        [_find_redis_binary(), data / "redis.conf"], stdout=subprocess.DEVNULL, cwd=data
    )
    url = f"redis://:{REDIS_PASSWORD}@127.0.0.1:{port}/0"
    wrong = {"url": url.replace(REDIS_PASSWORD, "another-password")}
    try:
        with redis.Redis.from_url(url) as client:
            for _ in range(100):
                with contextlib.suppress(redis.RedisError):
                    client.ping()
                    break
                time.sleep(0.05)
        yield Broker("redis", {"url": url}, server.pid, wrong)
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def _kafka(data: Path) -> Iterator[Broker]:
    with mock_cluster.running() as cluster:
        connection = {"brokers": cluster.addresses, "ssl": False}
        yield Broker("kafka", connection, cluster.process.pid)
