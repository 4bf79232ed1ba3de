"""One process `live` with a database of its own, whose ways to its stores can be cut."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
from django.test.utils import setup_databases, teardown_databases
from redis import Redis

from accounts.models import User
from auteur.devstack import ports
from jobs.models import Job
from tests.chaos.proxy import Proxy
from tests.database.conftest import url_of
from tests.live.running import Live, make_job, make_user


@dataclass
class Stores:
    """The ways to them."""

    postgres: Proxy
    redis: Proxy
    channels: Redis


@pytest.fixture(scope="session")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A copy of the database in which tests commit, since other processes look."""
    with django_db_blocker.unblock(), _migrated() as original:
        copy = f"{original}_live"
        connection.close()
        with psycopg.connect(url_of(dbname="postgres"), autocommit=True) as server:
            server.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{original}"'.encode())
            connection.settings_dict["NAME"] = copy
            try:
                yield
            finally:
                connection.close()
                connection.settings_dict["NAME"] = original
                server.execute(f'DROP DATABASE "{copy}" WITH (FORCE)'.encode())


@contextmanager
def _migrated() -> Iterator[str]:
    """The name of the tests' database, which pytest-django makes where some test is marked."""
    is_there = connection.settings_dict["NAME"].startswith(TEST_DATABASE_PREFIX)
    made = [] if is_there else setup_databases(0, interactive=False, aliases=["default"])
    try:
        yield connection.settings_dict["NAME"]
    finally:
        teardown_databases(made, 0)


@pytest.fixture(scope="session")
def stores(committed: None) -> Iterator[Stores]:
    redis_url = urlsplit(settings.REDIS_URL)
    targets = int(connection.settings_dict["PORT"]), redis_url.port or 6379
    first, second = ports.free_ports(2)
    with Proxy(first, targets[0]) as postgres, Proxy(second, targets[1]) as broker:
        with Redis.from_url(settings.REDIS_URL) as channels:
            yield Stores(postgres, broker, channels)
        postgres.cut(), broker.cut()


@pytest.fixture(scope="session")
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
        yield running
    finally:
        running.kill()
    assert "Traceback" not in running.said.read_text()


@pytest.fixture
def live(process: Live) -> Live:
    """The process; started again where a test has ended it."""
    if process.process.poll() is not None:
        process.start()
    return process


@pytest.fixture
def user(live: Live) -> User:
    return make_user()


@pytest.fixture
def job(user: User) -> Job:
    return make_job(user)
