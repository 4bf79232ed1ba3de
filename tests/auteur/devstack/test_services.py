import os
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from auteur.devstack import environment, ports, postgres, services
from auteur.devstack.errors import StackError
from auteur.devstack.stack import create_folders
from auteur.devstack.supervisor import Supervisor


@dataclass
class Running:
    """The three stores, running."""

    var: Path
    ports: ports.Ports
    values: dict[str, str]
    supervisor: Supervisor


def free() -> ports.Ports:
    numbers = map(str, ports.find_free_ports(len(ports.DEFAULTS)))
    return ports.read_ports(dict(zip(ports.DEFAULTS, numbers, strict=True)))


@pytest.fixture
def chosen() -> ports.Ports:
    return free()


@pytest.fixture
def values(tmp_path: Path, chosen: ports.Ports) -> dict[str, str]:
    create_folders(tmp_path)
    return environment.write_environment(tmp_path, chosen)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """All three, started once for the tests that only look."""
    var = tmp_path_factory.mktemp("stores")
    create_folders(var)
    chosen = free()
    values = environment.write_environment(var, chosen)
    stores = services.list_stores(var, chosen, values, throwaway=True)
    supervisor = Supervisor(stores, var / "log", lambda line: None)
    try:
        supervisor.start(30)
        yield Running(var, chosen, values, supervisor)
    finally:
        supervisor.stop(3)


def test_each_answers_with_its_password_and_not_without(running: Running) -> None:
    values, chosen = running.values, running.ports
    with psycopg.connect(values["MIGRATION_DATABASE_URL"]) as connection:
        row = connection.execute("SELECT current_setting('server_version_num')::int").fetchone()
        assert row is not None
        assert 160000 <= row[0] < 170000
        lower = connection.execute("SELECT lower('ÄÖ')").fetchone()
        assert lower == ("äö",)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(
            values["MIGRATION_DATABASE_URL"].replace(values["POSTGRES_PASSWORD"], "wrong")
        )
    with redis.Redis.from_url(values["REDIS_URL"]) as client:
        assert client.ping()
    with redis.Redis(port=chosen.redis) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    assert services.is_mongodb_answering(chosen.mongodb)
    assert not services.is_redis_answering(chosen.redis, "wrong")


def test_they_listen_on_the_loopback_address_alone(running: Running) -> None:
    for child in running.supervisor.children:
        assert child.pid is not None
        process = psutil.Process(child.pid)
        listening = [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}
        assert not process.net_connections("unix")


def test_no_password_is_on_a_command_line(running: Running) -> None:
    pids = [child.pid for child in running.supervisor.children]
    lines = str([psutil.Process(pid).cmdline() for pid in pids])
    assert not [name for name in environment.SECRETS if running.values[name] in lines]


def test_data_is_kept_between_runs(
    tmp_path: Path, chosen: ports.Ports, values: dict[str, str]
) -> None:
    for round_number in (1, 2):
        stores = services.list_stores(tmp_path, chosen, values, without=["mongodb"])
        supervisor = Supervisor(stores, tmp_path / "log", lambda line: None)
        try:
            supervisor.start(30)
            with psycopg.connect(values["MIGRATION_DATABASE_URL"]) as connection:
                if round_number == 1:
                    connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
                assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
            with redis.Redis.from_url(values["REDIS_URL"]) as client:
                if round_number == 1:
                    client.set("kept", "7")
                assert client.get("kept") == b"7"
        finally:
            supervisor.stop(5)


def test_a_lock_left_by_a_dead_server_is_cleared(
    tmp_path: Path, chosen: ports.Ports, values: dict[str, str]
) -> None:
    def process() -> object:
        return postgres.build_process(
            data=tmp_path / "postgres",
            port=chosen.postgres,
            password=values["POSTGRES_PASSWORD"],
        )

    process()
    lock = tmp_path / "postgres" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{tmp_path}/postgres\n")  # alive, and no PostgreSQL
    process()
    assert not lock.exists()


def test_a_live_server_on_the_same_data_is_named(running: Running) -> None:
    with pytest.raises(StackError, match="still uses"):
        postgres.build_process(data=running.var / "postgres", port=1, password="any")


def test_a_silent_or_foreign_server_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not services.is_mongodb_answering(port)
        assert not services.is_redis_answering(port, "any")

        def answer_nonsense() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer_nonsense, daemon=True).start()
        assert not services.is_mongodb_answering(port)


def test_valkey_will_do_for_redis(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = tmp_path / "valkey-server"
    server.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert services.build_redis(tmp_path / "data", 1, "any").command[0] == str(server)


def test_a_mongod_on_the_path_is_preferred(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chosen: ports.Ports
) -> None:
    create_folders(tmp_path / "var")
    binary = tmp_path / "mongod"
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} -m auteur.devstack.mongod "$@"\n')
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = services.build_mongodb(tmp_path / "var", chosen.mongodb)
    supervisor = Supervisor([result], tmp_path / "var" / "log", lambda line: None)
    try:
        supervisor.start(30)
        assert result.command[0] == str(binary)
        assert services.is_mongodb_answering(chosen.mongodb)
    finally:
        supervisor.stop(3)


def test_ferretdb_is_taken_with_its_postgresql(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = tmp_path / "bin" / "ferretdb"
    server.parent.mkdir()
    server.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(server.parent))
    assert services.build_mongodb(tmp_path, 1).command[0] == sys.executable
    monkeypatch.setenv("FERRETDB_POSTGRESQL_URL", "postgres://127.0.0.1/documents")
    assert services.build_mongodb(tmp_path, 1).command[0] == str(server)


def test_missing_binaries_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(StackError, match=r"^redis-server is missing: install Redis"):
        services.build_redis(tmp_path, 1, "any")
    with pytest.raises(StackError, match=r"^PostgreSQL is missing: install requirements"):
        postgres.build_process(data=tmp_path / "postgres", port=1, password="any")
