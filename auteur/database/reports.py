"""What ``manage.py check --database default`` says about roles, rows and timeouts."""

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


def warnings(databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """What is open that need not be, as the application's connection sees it."""
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(MAY_CHANGE_TABLES)
        one_role = cursor.fetchone() == (True,)
        cursor.execute(OPEN_TABLES)
        tables = [str(name) for (name,) in cursor.fetchall()]
        cursor.execute(TIMEOUT)
        unlimited = cursor.fetchone() == ("0",)
    found: list[checks.CheckMessage] = []
    if one_role:
        hint = "Give the application a role of its own: DATABASE_URL and MIGRATION_DATABASE_URL."
        found.append(
            checks.Warning(
                "The application's role may change its tables.", hint, id="database.W001"
            )
        )
    if tables:
        text = f"Tables without row level security: {', '.join(tables)}."
        found.append(checks.Warning(text, "Run migrate.", id="database.W002"))
    if unlimited:
        text = "Statements of the application may run for ever."
        found.append(checks.Warning(text, "Run migrate: it sets timeouts.", id="database.W003"))
    return found
