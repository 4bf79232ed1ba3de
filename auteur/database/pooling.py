"""Whether a connection leads to a transaction pooler (PgBouncer, Supavisor).

Behind one, each transaction may run in another session of the server. So nothing may be kept in
a session, neither prepared statements nor settings: timeouts are defaults of the role (`roles`).
PgBouncer since 1.21 can keep prepared statements itself, which nothing tells: ``POOLER_PREPARES``.
"""

from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import capabilities


def is_pooled(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server's process is not the one that was named when we connected.

    A pooler makes up the key by which its clients cancel, the number of the process included.
    """
    with psycopg.Cursor(connection) as cursor:
        row = cursor.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    return row != (connection.info.backend_pid,)


def without_prepared_statements(*, connection: BaseDatabaseWrapper, **_: object) -> None:
    """Have a new connection prepare nothing if it goes through a pooler that keeps nothing."""
    # Before libpq 17, one statement is forgotten by another, which no pooler understands.
    keeps = settings.POOLER_PREPARES and capabilities.has_send_close_prepared()
    if not keeps and is_pooled(connection.connection):
        connection.connection.prepare_threshold = None
