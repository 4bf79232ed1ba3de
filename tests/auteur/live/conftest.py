"""One process `live` whose ways to its stores can be cut."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
from django.test.utils import setup_databases, teardown_databases
from redis import Redis

from accounts.models import User
from auteur.devstack import ports
from jobs.models import Job
from tests.auteur.core.database.conftest import url_of
from tests.auteur.live.running import Live, make_job, make_user
from tests.chaos.proxy import Proxy


@dataclass
class Stores:
    """The ways to them."""

    postgres: Proxy
    redis: Proxy
    channels: Redis


@pytest.fixture(scope="package")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database, in which tests commit, since other processes look; it is emptied at the end."""
    with django_db_blocker.unblock(), _migrated():
        yield
        call_command("flush", verbosity=0, interactive=False)
        connection.close()


@contextmanager
def _migrated() -> Iterator[None]:
    """With the tests' database, which pytest-django makes where some test is marked."""
    is_there = connection.settings_dict["NAME"].startswith(TEST_DATABASE_PREFIX)
    result = [] if is_there else setup_databases(0, interactive=False, aliases=["default"])
    try:
        yield
    finally:
        teardown_databases(result, 0)


@pytest.fixture(scope="package")
def stores(committed: None) -> Iterator[Stores]:
    redis_url = urlsplit(settings.REDIS_URL)
    targets = int(connection.settings_dict["PORT"]), redis_url.port or 6379
    first, second = ports.find_free_ports(2)
    with Proxy(first, targets[0]) as postgres, Proxy(second, targets[1]) as broker:
        with Redis.from_url(settings.REDIS_URL) as channels:
            yield Stores(postgres, broker, channels)
        postgres.cut(), broker.cut()


@pytest.fixture(scope="package")
def process(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    parts = urlsplit(settings.REDIS_URL)
    login, _, _ = parts.netloc.rpartition("@")
    place = f"{login}@127.0.0.1:{stores.redis.port}" if login else f"127.0.0.1:{stores.redis.port}"
    environ = {
        "DATABASE_URL": url_of(port=stores.postgres.port),
        "REDIS_URL": urlunsplit(parts._replace(netloc=place)),
        "RATE_LIMIT": "100000/minute",
        "MAX_CONNECTIONS_PER_ADDRESS": "1000",
    }
    running = Live(tmp_path_factory.mktemp("live") / "said", environ)
    try:
        running.wait_until_ready(make_user())
        yield running
    finally:
        running.kill()
    assert "Traceback" not in running.said.read_text()


@pytest.fixture
def live(process: Live) -> Live:
    """The process; started again where a test has ended it."""
    if process.process.poll() is not None:
        process.start()
        process.wait_until_ready(make_user())
    return process


@pytest.fixture
def user(live: Live) -> User:
    return make_user()


@pytest.fixture
def job(user: User) -> Job:
    return make_job(user)
