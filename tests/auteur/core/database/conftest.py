"""The application as it runs in production: a role of its own, direct or behind PgBouncer.

Whatever asks for ``as_application`` (a test, a file by ``pytestmark``) runs without the rights of
the tables' owner, so that a right that is missing is found.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from auteur.core.database import roles
from auteur.devstack import ports
from auteur.devstack.postgres import get_server_account
from tests.waiting import until

ROLE = f"auteur_tests_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
PASSWORD = secrets.token_urlsafe(12)
PGBOUNCER = shutil.which("pgbouncer")
POOL_SIZE = 2  # sessions of the server; more clients than this share them


def url_of(**changed: Any) -> str:
    """A URL to the server of the tests, as its owner if not told otherwise."""
    own = connection.settings_dict
    use = {"user": own["USER"], "password": own["PASSWORD"], "dbname": own["NAME"]} | changed
    login = f"{use['user']}:{use['password']}" if use["password"] else use["user"]
    port = changed.get("port", own["PORT"])
    return f"postgres://{login}@{own['HOST']}:{port}/{use['dbname']}"


def as_superuser(*statements: str) -> None:
    """Run statements outside every transaction."""
    with psycopg.connect(url_of(), autocommit=True) as server:
        for statement in statements:
            server.execute(statement.encode())


@pytest.fixture(scope="session")
def application_role(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """A role that may do what `migrate` lets the application do."""
    with django_db_blocker.unblock():
        roles.secure_tables("default", user=ROLE, password=PASSWORD)
    yield ROLE
    as_superuser(f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


@pytest.fixture(scope="session")
def pgbouncer(application_role: str) -> Iterator[int]:
    """The port of a PgBouncer that shares few sessions of the server by transaction."""
    with running_pgbouncer() as port:
        yield port


@pytest.fixture(scope="session")
def preparing_pgbouncer(application_role: str) -> Iterator[int]:
    """Of one that keeps prepared statements besides."""
    with running_pgbouncer("max_prepared_statements = 200\n") as port:
        yield port


@contextmanager
def running_pgbouncer(options: str = "") -> Iterator[int]:
    if PGBOUNCER is None:
        pytest.skip("PgBouncer is not installed (apt install pgbouncer)")
    if options and pgbouncer_version() < (1, 21):
        pytest.skip("PgBouncer keeps prepared statements from 1.21 on")
    own, (port,) = connection.settings_dict, ports.find_free_ports(1)
    account = get_server_account()  # it refuses to run as root, as PostgreSQL does
    with tempfile.TemporaryDirectory(prefix="auteur-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        users = {ROLE: PASSWORD, own["USER"]: own["PASSWORD"]}
        (folder / "users").write_text("".join(f'"{u}" "{p}"\n' for u, p in users.items()))
        (folder / "ini").write_text(
            f"[databases]\n* = host={own['HOST']} port={own['PORT'] or 5432}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = plain\nauth_file = {folder}/users\nserver_reset_query =\n"
            f"pool_mode = transaction\ndefault_pool_size = {POOL_SIZE}\n{options}"
        )
        process = subprocess.Popen(
            [PGBOUNCER, str(folder / "ini")],
            user=account.uid,
            group=account.gid,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: _answers(port), 10)
            yield port
        finally:
            process.kill()
            process.wait()


def pgbouncer_version() -> tuple[int, ...]:
    result = subprocess.check_output([PGBOUNCER or "", "--version"], text=True)
    return tuple(map(int, result.split()[1].split(".")))


def _answers(port: int) -> bool:
    try:
        psycopg.connect(url_of(user=ROLE, password=PASSWORD, port=port)).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(params=["direct", "pgbouncer", "preparing_pgbouncer"])
def way(request: pytest.FixtureRequest) -> str:
    """How the application reaches its database."""
    return str(request.param)


@pytest.fixture
def as_application(
    way: str,
    transactional_db: None,
    application_role: str,
    request: pytest.FixtureRequest,
    settings: Any,
) -> Iterator[None]:
    """Connections of this test are the application's; it is the owner who cleans up after it."""
    changed: dict[str, Any] = {"USER": application_role, "PASSWORD": PASSWORD}
    if way != "direct":
        changed |= {"HOST": "127.0.0.1", "PORT": request.getfixturevalue(way)}
    settings.POOLER_PREPARES = way == "preparing_pgbouncer"
    before = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(changed)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def run(statement: str, *values: object) -> Any:
    """The first value of a statement on Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None
