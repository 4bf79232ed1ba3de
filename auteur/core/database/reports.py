"""System checks of ``manage.py check --database default`` about roles, rows and timeouts."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connections

OPEN_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace
      AND relkind IN ('r', 'p') AND NOT relrowsecurity
    ORDER BY relname
"""
MAY_CHANGE_TABLES = """
    SELECT rolsuper OR rolbypassrls OR has_schema_privilege(current_schema(), 'CREATE')
        OR EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace
                   AND relname = 'credit_transactions' AND relowner = pg_roles.oid)
    FROM pg_roles WHERE rolname = current_user
"""
TIMEOUT = "SELECT current_setting('statement_timeout')"


def list_warnings(databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Return warnings about missing protection, as the application's connection sees it."""
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(MAY_CHANGE_TABLES)
        can_change_tables = cursor.fetchone() == (True,)
        cursor.execute(OPEN_TABLES)
        tables = [str(name) for (name,) in cursor.fetchall()]
        cursor.execute(TIMEOUT)
        has_no_timeout = cursor.fetchone() == ("0",)
    messages: list[checks.CheckMessage] = []
    if can_change_tables:
        hint = "Set MIGRATION_DATABASE_URL to the owner, and DATABASE_URL to a role of its own."
        messages.append(
            checks.Warning(
                "The application's role can change its tables.", hint, id="database.W001"
            )
        )
    if tables:
        text = f"Tables without row level security: {', '.join(tables)}."
        messages.append(checks.Warning(text, "Run migrate.", id="database.W002"))
    if has_no_timeout:
        text = "Statements of the application have no timeout."
        messages.append(
            checks.Warning(text, "Run migrate, which sets timeouts.", id="database.W003")
        )
    return messages
