"""The file that adds RabbitMQ to the Compose stack."""

import re

import pytest

from auteur.devstack.processes import PROGRAMS
from tests.deploy.files import OURS, compose, services, text

FILE = "deploy/compose.rabbitmq.yml"
LOCKED = ("read_only", "cap_drop", "security_opt", "restart", "logging")


CELERY = re.compile(r"worker|orchestrate|celery")


def test_all_that_use_celery_get_its_url_as_a_file_and_nothing_else() -> None:
    added = {name: service for name, service in compose(FILE)["services"].items() if name in OURS}
    assert {program.name for program in PROGRAMS if CELERY.search(program.command)} | {
        "api"
    } <= set(added)
    for name, service in added.items():
        secret = "/run/secrets/celery_broker_url"
        assert service == {
            "environment": {"CELERY_BROKER_URL_FILE": secret},
            "secrets": ["celery_broker_url"],
        }, name


@pytest.mark.parametrize("option", LOCKED)
def test_it_is_locked_down_as_redis_is(option: str) -> None:
    assert compose(FILE)["services"]["rabbitmq"][option] == services()["redis"][option]


def test_it_is_where_the_other_stores_are_and_keeps_its_data() -> None:
    server = compose(FILE)["services"]["rabbitmq"]
    assert server["networks"] == services()["redis"]["networks"]
    assert "ports" not in server
    volume, _, place = server["volumes"][0].partition(":")
    assert (volume in compose(FILE)["volumes"], place) == (True, "/var/lib/rabbitmq")


def test_it_needs_no_more_than_it_may_have() -> None:
    lines = text("deploy/rabbitmq.conf").splitlines()
    assert "vm_memory_high_watermark.absolute = 256MB" in lines
    server = compose(FILE)["services"]["rabbitmq"]
    assert server["deploy"]["resources"]["limits"]["memory"] == "512m"
