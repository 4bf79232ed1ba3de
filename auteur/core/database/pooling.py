"""Detection of connections through a transaction pooler (PgBouncer, Supavisor).

Behind one, each transaction may run in another session of the server. So a session may keep
nothing, neither prepared statements nor settings: timeouts are defaults of the role (`roles`).
PgBouncer since 1.21 can keep prepared statements itself, but does not report it: see
``POOLER_PREPARES``.
"""

from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import capabilities


def is_pooled(connection: psycopg.Connection[Any]) -> bool:
    """Return True if the server process is not the one that was announced at the connection.

    A pooler invents the cancellation key of its clients, which includes the number of the process.
    """
    with psycopg.Cursor(connection) as cursor:
        row = cursor.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    return row != (connection.info.backend_pid,)


def disable_prepared_statements(*, connection: BaseDatabaseWrapper, **_: object) -> None:
    """Disable prepared statements on a connection through a pooler that keeps none."""
    # Before libpq 17, psycopg discards a prepared statement by SQL, which no pooler understands.
    can_prepare = settings.POOLER_PREPARES and capabilities.has_send_close_prepared()
    if not can_prepare and is_pooled(connection.connection):
        connection.connection.prepare_threshold = None
