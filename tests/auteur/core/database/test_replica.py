"""What may lag is read in a real standby while it keeps up, else in the primary."""

import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from auteur.core.database import replica
from auteur.devstack import ports, postgres
from auteur.devstack.supervisor import Supervisor
from credits.models import Credits
from jobs.estimates import costs
from tests.auteur.core.database.conftest import url_of
from tests.waiting import until

START_SECONDS = 120.0


class Standby:
    """A server on a copy of the primary's data, which can be away."""

    def __init__(self, port: int, data: Path, password: str) -> None:
        self.port = port
        self._data, self._password = data, password

    def start(self) -> None:
        server = postgres.build_process(
            data=self._data, port=self.port, password=self._password, throwaway=True
        )
        self._supervisor = Supervisor([server], self._data.parent / "log", lambda line: None)
        self._supervisor.start(START_SECONDS)

    def stop(self) -> None:
        self._supervisor.stop(5)

    @contextmanager
    def away(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()


@pytest.fixture(scope="module")
def standby(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    """A streaming standby of the tests' server."""
    own, (port,) = connection.settings_dict, ports.find_free_ports(1)
    folder, account = tmp_path_factory.mktemp("standby"), postgres.get_server_account()
    data = folder / "data"
    data.mkdir(mode=0o700)
    (folder / "log").mkdir()
    if account.uid is not None and account.gid is not None:
        postgres._allow_traversal(data, account)
        os.chown(data, account.uid, account.gid)
    command = [
        str(postgres._find_binaries() / "pg_basebackup"),
        "--pgdata",
        str(data),
        "--write-recovery-conf",
    ]
    command += ["--checkpoint=fast", "--no-sync", "--dbname", url_of(dbname="postgres")]
    subprocess.run(command, check=True, capture_output=True, user=account.uid, group=account.gid)
    started = Standby(port, data, own["PASSWORD"])
    started.start()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def lagging(
    standby: Standby, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The settings' alias ``replica``, to that standby."""
    own = connection.settings_dict
    connections.settings[replica.REPLICA] = {**own, "PORT": standby.port}
    there = connections[replica.REPLICA]

    def ensure_connection() -> None:
        if there.connection is None:
            with there.wrap_database_errors:
                there.connect()

    # Django's refuses what a test has not named.
    monkeypatch.setattr(there, "ensure_connection", ensure_connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")  # one that has replayed nothing is not read
    try:
        assert until(lambda: shown("SELECT pg_last_xact_replay_timestamp()"), START_SECONDS)
        yield
    finally:
        connections[replica.REPLICA].close()
        del connections[replica.REPLICA]
        del connections.settings[replica.REPLICA]
        replica.ReplicaPause.until = 0.0


def shown(statement: str) -> Any:
    """The first value in the standby."""
    with connections[replica.REPLICA].cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
        return row[0] if row else None


def test_without_one_the_primary_is_read(db: None) -> None:
    assert replica.read_from_replica() == "default"


def test_what_is_committed_is_read_there_and_nothing_can_be_written(lagging, make_user) -> None:
    user = make_user(balance=7)
    assert replica.read_from_replica() == replica.REPLICA
    there = Credits.objects.using(replica.REPLICA).filter(user_id=user.pk)
    assert until(lambda: [row.balance for row in there.all()] == [7], 10)
    with pytest.raises(DatabaseError, match="read-only"):
        there.update(balance=8)


def test_what_things_cost_is_asked_there_alone(lagging) -> None:
    with CaptureQueriesContext(connections[replica.REPLICA]) as there:
        with CaptureQueriesContext(connection) as here:
            costs.list_summaries()
    assert len(here) == 0
    assert len(there) > 1


def test_an_instant_can_be_kept_there(lagging, make_user) -> None:
    """As an audit needs it."""
    users = "SELECT count(*) FROM users"
    with transaction.atomic(using=replica.REPLICA):
        with connections[replica.REPLICA].cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        before = shown(users)
        make_user()
        shown("SELECT pg_sleep(0.5)")
        assert shown(users) == before
    assert until(lambda: shown(users) == before + 1, 10)


def test_one_that_is_away_is_left_alone_for_a_while_and_said_once(
    lagging, standby: Standby, caplog: pytest.LogCaptureFixture
) -> None:
    assert replica.read_from_replica() == replica.REPLICA
    with standby.away(), caplog.at_level(logging.WARNING, "auteur.core.database.replica"):
        assert [replica.read_from_replica() for _ in range(3)] == ["default"] * 3
        assert costs.list_summaries() == []
    assert caplog.text.count("does not answer") == 1
    assert replica.read_from_replica() == "default"
    replica.ReplicaPause.until = 0.0  # the while is over
    assert replica.read_from_replica() == replica.REPLICA


@pytest.mark.parametrize(("limit", "alias"), [(0.5, "default"), (60.0, replica.REPLICA)])
def test_one_that_is_too_far_behind_is_not_read(
    lagging, caplog: pytest.LogCaptureFixture, monkeypatch, make_user, limit: float, alias: str
) -> None:
    monkeypatch.setattr(replica, "MAX_LAG_SECONDS", limit)
    shown("SELECT pg_wal_replay_pause()")
    try:
        make_user()
        shown("SELECT pg_sleep(0.7)")
        assert replica.read_from_replica() == alias
    finally:
        shown("SELECT pg_wal_replay_resume()")
    assert ("s behind" in caplog.text) is (alias == "default")
