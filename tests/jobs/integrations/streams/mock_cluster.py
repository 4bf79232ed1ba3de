"""Brokers of librdkafka's mock cluster: ``python -m tests.jobs.integrations.streams.mock_cluster``.

They speak Kafka's protocol and keep records in memory; topics come with their first record. They
know no topics' settings and no credentials.
"""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Producer

from auteur.devstack.cli import say
from auteur.devstack.processes import BASE_DIR
from tests.waiting import hang

BROKERS = 3
PARTITIONS = 4
"""Of each topic."""


@dataclass
class MockCluster:
    """A running one."""

    addresses: list[str]
    process: "subprocess.Popen[str]"

    def hang(self) -> None:
        """It accepts connections, and answers nothing."""
        hang(self.process.pid)

    def go_on(self) -> None:
        """After `hang`."""
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def running() -> Iterator[MockCluster]:
    """Until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield MockCluster(process.stdout.readline().split(), process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            pipe.close()


def main() -> None:
    """Print the addresses, and stay until nobody needs them."""
    holder = Producer({"test.mock.num.brokers": BROKERS, "bootstrap.servers": "none"})
    brokers = holder.list_topics(timeout=10).brokers.values()
    say(" ".join(f"{broker.host}:{broker.port}" for broker in brokers))
    sys.stdin.read()


if __name__ == "__main__":
    main()
