"""The session of a migration: the owner's connection, its timeouts, one migrator at a time.

Nothing waits without a limit: neither this command for a lock, nor the application for this
command.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.db import OperationalError, connections
from psycopg import errors

from auteur.core.database.pooling import is_pooled

ANSWER_SECONDS = 60.0  # The database must answer within this time.
OTHER_MIGRATOR_SECONDS = 600.0  # Another migrator must end within this time.
POLL_SECONDS = 1.0
# A statement that waits for a lock on a table blocks all later ones. So it gives up soon and is
# tried again (`MIGRATION_LOCK_TIMEOUT_MS`). A CONCURRENTLY statement waits for old transactions
# without blocking anybody, and giving it up would waste its work.
CONCURRENT_LOCK_TIMEOUT_MS = 600_000
LOCK_TRIES = 8
FIRST_BACKOFF_SECONDS = 1.0
LAST_BACKOFF_SECONDS = 30.0
CONCURRENT = re.compile(r"\s*(CREATE (UNIQUE )?|DROP )INDEX CONCURRENTLY\b")
ADVISORY_LOCK = 0x41757465  # "Aute"
INVALID_INDEXES = """
    SELECT indexrelid::regclass::text FROM pg_index
    JOIN pg_class AS tables ON tables.oid = indrelid
    WHERE NOT indisvalid AND relname = ANY(%s) AND relnamespace = current_schema()::regnamespace
"""

Report = Callable[[str], object]


@contextmanager
def connect_as_owner(alias: str) -> Iterator[dict[str, Any]]:
    """Connect with ``MIGRATION_DATABASE_URL``, if it is set. Yield the application's settings."""
    connection = connections[alias]
    application_settings = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(settings.MIGRATION_DATABASE)
    try:
        yield application_settings
    finally:
        connection.close()
        connection.settings_dict.update(application_settings)


def wait_for_answer(alias: str, report: Report) -> None:
    """Return when the database accepts a connection. Raise ``CommandError`` after a minute."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return connections[alias].ensure_connection()
        except OperationalError as exc:
            if time.monotonic() > deadline:
                raise CommandError(f"The database did not answer: {exc}") from exc
            report(f"Waiting for the database: {exc}")
        time.sleep(POLL_SECONDS)


@contextmanager
def hold_migration_lock(alias: str, report: Report) -> Iterator[None]:
    """Hold the lock that excludes a second migrator, and set the session's timeouts."""
    connection = connections[alias]
    if is_pooled(connection.connection) and not settings.MIGRATION_DATABASE:
        raise CommandError(
            "DATABASE_URL uses a transaction pooler, but migrations need a session. Set "
            "MIGRATION_DATABASE_URL to the database itself, or to a session pooler."
        )
    deadline = time.monotonic() + OTHER_MIGRATOR_SECONDS
    while not _query_value(alias, "SELECT pg_try_advisory_lock(%s)", ADVISORY_LOCK):
        report("Waiting for another migrator.")
        if time.monotonic() > deadline:
            raise CommandError(
                f"Another migrator has not ended within {OTHER_MIGRATOR_SECONDS:.0f} s. Stop it."
            )
        time.sleep(POLL_SECONDS)
    try:
        _set_timeout(alias, "statement_timeout", 0)
        _set_timeout(alias, "lock_timeout", settings.MIGRATION_LOCK_TIMEOUT_MS)
        with connection.execute_wrapper(_extend_lock_timeout):
            yield
    finally:
        connection.close()  # The lock ends with the session.


def _set_timeout(alias: str, name: str, milliseconds: int) -> None:
    _query_value(alias, "SELECT set_config(%s, %s, false)", name, str(milliseconds))


def _extend_lock_timeout(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    if not CONCURRENT.match(str(sql)):
        return execute(sql, params, many, context)
    alias = context["connection"].alias
    _set_timeout(alias, "lock_timeout", CONCURRENT_LOCK_TIMEOUT_MS)
    try:
        return execute(sql, params, many, context)
    finally:
        _set_timeout(alias, "lock_timeout", settings.MIGRATION_LOCK_TIMEOUT_MS)


def _query_value(alias: str, query: str, *values: Any) -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchone()[0]


def drop_invalid_indexes(alias: str) -> None:
    """Drop invalid indexes of interrupted ``CREATE INDEX CONCURRENTLY`` statements.

    They would stop the next try.
    """
    tables = connections[alias].introspection.django_table_names(only_existing=True)
    with connections[alias].cursor() as cursor:
        cursor.execute(INVALID_INDEXES, [tables])
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX CONCURRENTLY {name}")


def retry_on_lock_timeout(migrate: Callable[[], None], report: Report) -> None:
    """Migrate. Try again with backoff after a lock time-out.

    Migrations that have succeeded stay applied. Raise the last ``OperationalError``.
    """
    backoff = FIRST_BACKOFF_SECONDS
    for remaining in range(LOCK_TRIES - 1, 0, -1):
        try:
            return migrate()
        except OperationalError as exc:
            if not isinstance(exc.__cause__, errors.LockNotAvailable):
                raise
            report(
                f"A migration waits for a lock. Next try in {backoff:.0f} s, "
                f"at most {remaining} more."
            )
        time.sleep(backoff)
        backoff = min(2 * backoff, LAST_BACKOFF_SECONDS)
    return migrate()
