"""A broker of each kind, and clients that are quick to see that somebody died."""

from collections.abc import Iterator

import pytest

from jobs.integrations.partners.transports import kafka
from jobs.integrations.partners.transports import redis as redis_transport
from tests.jobs.integrations.partners.transports import brokers
from tests.jobs.integrations.partners.transports.brokers import Broker
from tests.jobs.integrations.partners.transports.reader import SESSION_MS


@pytest.fixture(scope="module", params=["redis", "kafka", "amqp"])
def kind(request, tmp_path_factory) -> Iterator[Broker]:
    with brokers.running(request.param, tmp_path_factory.mktemp(request.param)) as broker:
        yield broker


@pytest.fixture
def broker(kind: Broker, monkeypatch) -> Iterator[Broker]:
    monkeypatch.setattr(kafka, "SESSION_MS", SESSION_MS)
    monkeypatch.setattr(redis_transport, "LOST_SECONDS", 1.0)
    monkeypatch.setattr(redis_transport, "CLAIM_SECONDS", 0.2)
    yield kind
    kind.go_on()
    for transport in kind.open:
        transport.close()
    kind.open.clear()
