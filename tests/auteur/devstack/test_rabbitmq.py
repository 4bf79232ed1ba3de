"""Where RabbitMQ comes from, and what is said where it cannot be had."""

from pathlib import Path

import pytest

from auteur.devstack import environment, ports, rabbitmq, services
from auteur.devstack.errors import StackError
from auteur.devstack.stack import create_folders


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with neither RabbitMQ nor apt; programs may be put into the folder returned."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(rabbitmq, "SCRIPT", "no-such-script")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_where_it_cannot_be_had_one_line_says_so(bare: Path, tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"^RabbitMQ is missing: install rabbitmq-server\."):
        rabbitmq.list_processes(tmp_path / "data", 1, "any")


def test_what_apt_says_is_told(bare: Path, tmp_path: Path) -> None:
    program(bare, "dpkg", "exit 0")
    program(bare, "apt-cache", "echo rabbitmq-server")
    program(bare, "apt-get", "echo E: no network >&2; exit 100")
    with pytest.raises(StackError, match="apt-get: E: no network"):
        rabbitmq.list_processes(tmp_path / "data", 1, "any")
    assert not list((tmp_path / "cache" / "auteur").iterdir())


def test_one_on_the_path_is_taken_and_its_password_is_in_a_file(bare: Path, tmp_path: Path) -> None:
    program(bare, "rabbitmq-server", "exit 0")
    mapper, server = rabbitmq.list_processes(tmp_path / "data", 1, "secret")
    assert (mapper.name, server.needs) == ("epmd", ("epmd",))
    assert server.command == (str(bare / "rabbitmq-server"),)
    assert server.environment is not None
    assert "secret" not in str([*server.environment.values(), *mapper.command])
    configuration = tmp_path / "data" / "rabbitmq.conf"
    assert "default_pass = secret" in configuration.read_text()
    assert configuration.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("broker", [None, "", "redis", "amqp"])
def test_it_runs_where_it_is_asked_for(bare: Path, tmp_path: Path, broker: str | None) -> None:
    program(bare, "rabbitmq-server", "exit 0")
    create_folders(tmp_path / "var")
    chosen = ports.read_ports({})
    values = environment.write_environment(tmp_path / "var", chosen, broker)
    others = ("postgres", "redis", "mongodb")
    names = [
        store.name
        for store in services.list_stores(tmp_path / "var", chosen, values, without=others)
    ]
    assert names == (["epmd", "rabbitmq"] if broker == "amqp" else [])
    assert ("CELERY_BROKER_URL" in values) == (broker == "amqp")


def test_another_broker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="BROKER is 'kafka': use redis or amqp"):
        environment.write_environment(tmp_path, ports.read_ports({}), "kafka")
