"""``manage.py migrate`` on a database of its own, by an owner who is no superuser."""

import io
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import OperationalError

from auteur.core.database import migration_session
from auteur.devstack.processes import BASE_DIR
from tests.auteur.core.database.conftest import as_superuser, run, url_of
from tests.waiting import until

NAME = f"auteur_migrate_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
OWNER, APPLICATION = f"{NAME}_owner", f"{NAME}_app"
PASSWORD = secrets.token_urlsafe(12)
SECONDS = 60.0


def url(role: str) -> str:
    return url_of(user=role, password=PASSWORD, dbname=NAME)


def environment() -> dict[str, str]:
    own = {"DATABASE_URL": url(APPLICATION), "MIGRATION_DATABASE_URL": url(OWNER)}
    return {**os.environ, **own}


def manage(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def connect(role: str) -> Any:
    return closing(psycopg.connect(url(role), autocommit=True))


@pytest.fixture(scope="module")
def migrated(django_db_setup: None) -> Iterator[str]:
    """What the first ``migrate`` says, on a database as a managed service gives it."""
    as_superuser(
        f"CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{PASSWORD}'",
        f"CREATE DATABASE {NAME} OWNER {OWNER}",
    )
    try:
        yield manage("migrate", "--noinput")
    finally:
        as_superuser(
            f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)",
            f"DROP ROLE IF EXISTS {APPLICATION}",
            f"DROP ROLE {OWNER}",
        )


def test_it_makes_the_tables_and_a_role_that_does_not_own_them(migrated: str) -> None:
    assert "Applying jobs.0001_initial... OK" in migrated
    assert "One role" not in migrated
    assert "no issues" in manage("check", "--database", "default", "--fail-level", "WARNING")
    with connect(APPLICATION) as database:
        assert database.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
        assert database.execute("SHOW statement_timeout").fetchone() == ("30s",)
        for statement in ("DELETE FROM credit_transactions", "CREATE TABLE mine ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                database.execute(statement)


def test_it_waits_for_others_and_tries_again_for_a_lock(migrated: str, tmp_path: Path) -> None:
    """A second migrator, then a reader who holds the table of a migration; a half-made index."""
    log = tmp_path / "migrate.log"
    with connect(OWNER) as owner, connect(OWNER) as reader:
        owner.execute("ALTER TABLE fair_queue_cursors DISABLE ROW LEVEL SECURITY")
        owner.execute("INSERT INTO auth_group (name) VALUES ('a'), ('b')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            owner.execute("CREATE UNIQUE INDEX CONCURRENTLY half ON auth_group ((1))")
        owner.execute("SELECT pg_advisory_lock(%s)", [migration_session.ADVISORY_LOCK])
        reader.execute("BEGIN")
        reader.execute("SELECT FROM fair_queue_cursors")
        with log.open("w") as output:
            command = [sys.executable, "-u", "manage.py", "migrate", "--noinput"]
            process = subprocess.Popen(
                command, cwd=BASE_DIR, env=environment(), stdout=output, stderr=subprocess.STDOUT
            )
        try:
            until(lambda: "Waiting for another migrator" in log.read_text(), SECONDS)
            owner.execute("SELECT pg_advisory_unlock_all()")
            until(lambda: "A migration waits for a lock" in log.read_text(), SECONDS)
            reader.execute("COMMIT")
            assert process.wait(SECONDS) == 0, log.read_text()
        finally:
            process.kill()
        result = owner.execute(
            "SELECT relrowsecurity FROM pg_class WHERE relname = 'fair_queue_cursors'"
        )
        assert result.fetchone() == (True,)
        assert owner.execute("SELECT to_regclass('half')").fetchone() == (None,)


@pytest.mark.django_db(transaction=True)
def test_with_one_role_for_all_it_works_and_says_so() -> None:
    output = io.StringIO()
    call_command("migrate", stdout=output)
    assert "One role for all" in output.getvalue()
    assert run("SHOW statement_timeout") == "30s"


@pytest.mark.django_db(transaction=True)
def test_its_own_statements_take_their_time_and_its_locks_do_not() -> None:
    migration_session.wait_for_answer("default", print)
    with migration_session.hold_migration_lock("default", print):
        assert run("SHOW statement_timeout") == "0"
        assert run("SHOW lock_timeout") == "2s"
    assert run("SHOW lock_timeout") == "10s"


@pytest.mark.django_db(transaction=True)
def test_an_index_made_beside_the_writers_waits_for_the_old_ones(settings) -> None:
    """Who waits so is in nobody's way; to give up would throw the work away."""
    settings.MIGRATION_LOCK_TIMEOUT_MS = 100
    migration_session.wait_for_answer("default", print)
    with closing(psycopg.connect(url_of())) as writer:
        writer.execute("INSERT INTO auth_group (name) VALUES ('old')")
        end = threading.Timer(10 * settings.MIGRATION_LOCK_TIMEOUT_MS / 1000, writer.rollback)
        with migration_session.hold_migration_lock("default", print):
            with pytest.raises(OperationalError, match="lock timeout"):
                run("CREATE INDEX in_the_way ON auth_group (name)")
            end.start()
            run("CREATE INDEX CONCURRENTLY beside ON auth_group (name)")
            assert run("SHOW lock_timeout") == "100ms"
            run("DROP INDEX CONCURRENTLY beside")
        end.join()
