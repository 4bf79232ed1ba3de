"""Celery's messages through a Redis of their own: all of them, and what waits there."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from auteur import health
from auteur.core.work import broker
from auteur.devstack import ports, services
from auteur.devstack.processes import BASE_DIR
from auteur.devstack.supervisor import Supervisor
from tests.jobs.broker import AWAY, Broker

QUEUE = "asked.elsewhere"
PASSWORD = "of-another-redis"
SEND_AND_COUNT = """
from celery import current_app
from auteur.core.work import broker
broker.ping()
assert broker.count_messages(["asked.never", "asked.elsewhere"]) == {
    "asked.never": 0, "asked.elsewhere": 0
}
current_app.send_task("nobody.knows", queue="asked.elsewhere")
print(broker.count_messages(["asked.never", "asked.elsewhere"]))
"""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of another Redis than that of ``REDIS_URL``."""
    folder, (port,) = tmp_path_factory.mktemp("broker"), ports.find_free_ports(1)
    server = services.build_redis(folder / "redis", port, PASSWORD, throwaway=True)
    supervisor = Supervisor([server], folder, report=lambda line: None)
    try:
        supervisor.start(20)
        yield f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    finally:
        supervisor.stop(3)


def run(script: str, **result: str) -> subprocess.CompletedProcess[str]:
    """A process of ours that is told so."""
    return subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{script}"],
        cwd=BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "auteur.settings", **result},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_messages_go_there_and_are_counted_there(other: str) -> None:
    done = run(SEND_AND_COUNT, CELERY_BROKER_URL=other)
    assert done.stdout.strip() == str({"asked.never": 0, QUEUE: 1}), done.stderr
    with redis.Redis.from_url(other) as there, redis.Redis.from_url(settings.REDIS_URL) as here:
        assert there.llen(QUEUE) == 1
        assert not here.exists(QUEUE)


def test_health_tells_of_both_and_one_away_takes_no_other_along(
    other: str, settings, db: None
) -> None:
    def found() -> tuple[bool, bool]:
        checked = health._check_all()
        return checked["redis"], checked["broker"]

    ours = settings.REDIS_URL
    try:
        settings.BROKER_URL = other
        broker._get_client.cache_clear()
        assert found() == (True, True)
        settings.BROKER_URL = AWAY
        broker._get_client.cache_clear()
        assert found() == (True, False)
        settings.BROKER_URL, settings.REDIS_URL = other, AWAY
        broker._get_client.cache_clear()
        assert found() == (False, True)
    finally:
        Broker.lead_to(ours)


def test_where_it_is_the_same_nothing_is_said_twice(db: None) -> None:
    assert "broker" not in health._check_all()


def test_what_is_away_is_an_outage() -> None:
    ours = settings.REDIS_URL
    Broker.lead_to(AWAY)
    try:
        with pytest.raises(broker.BROKER_OUTAGES):
            broker.count_messages([QUEUE])
        with pytest.raises(broker.BROKER_OUTAGES):
            broker.ping()
    finally:
        Broker.lead_to(ours)


SHOW = "from django.conf import settings as s; print(s.BROKER_URL, s.BROKER_IS_AMQP, s.BROKER_TLS)"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({}, "{REDIS_URL} False {{}}"),
        ({"CELERY_BROKER_URL": "redis://other/1"}, "redis://other/1 False {{}}"),
        (
            {"CELERY_BROKER_URL": "rediss://other/1"},
            "rediss://other/1?ssl_cert_reqs=required False {{'ssl_cert_reqs': 'required'}}",
        ),
        (
            {"CELERY_BROKER_URL": "rediss://other", "CELERY_BROKER_CA_PATH": "/etc/hostname"},
            "rediss://other?ssl_cert_reqs=required&ssl_ca_certs=%2Fetc%2Fhostname False "
            "{{'ssl_cert_reqs': 'required', 'ssl_ca_certs': '/etc/hostname'}}",
        ),
        # TLS of one Redis is none of another.
        ({"STREAMS_REDIS_URL": "rediss://other"}, "{REDIS_URL} False {{}}"),
        ({"CELERY_BROKER_URL": "amqp://other"}, "amqp://other True {{}}"),
    ],
)
def test_each_server_is_checked_as_its_own_url_says(result: dict[str, str], said: str) -> None:
    done = run(SHOW, **result)
    assert done.stdout.strip() == said.format(REDIS_URL=settings.REDIS_URL), done.stderr
