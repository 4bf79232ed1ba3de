"""Who may do what with the tables: their owner, the application, and Supabase's own API.

``migrate`` calls `secure_tables` at its end, as the owner; calling it again changes nothing. It
treats the tables of Django's models only: the schema may hold others.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from django.db import ProgrammingError, connections, transaction
from psycopg import sql

logger = logging.getLogger(__name__)

APPLICATION_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"
OTHER_RIGHTS = {
    "credit_transactions": "SELECT, INSERT",
    "credit_grants": "SELECT, INSERT",
    "credits": "SELECT, INSERT, UPDATE",
    "django_admin_log": "SELECT, INSERT",
    "django_migrations": "SELECT",
    "staff_events": "SELECT, INSERT",
}
# Which do, with the owner's rights, the few things that their callers may not do by themselves.
FUNCTIONS = ("scrub_admin_log", "remove_old_admin_log", "work_waiting")
# Who comes by Supabase's keys, where it is there. Anonymous ones see nothing; a user's sees the
# rows that are theirs (policies named `own_rows`). None writes, not even the service's: balances
# and jobs are moved by the API alone.
API_ROLES = ("anon", "authenticated", "service_role")
READERS = ("authenticated", "service_role")
READ_POLICY, APPLICATION_POLICY = "own_rows", "application"
# Defaults of the role, in this database: poolers refuse options of a connection.
TIMEOUTS = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}


def role_of(user: str) -> str:
    """The role that a URL's user is: Supabase's pooler wants it as ``role.project``."""
    return user.partition(".")[0]


def secure_tables(alias: str, *, user: str, password: str) -> bool:
    """Close all tables and let the application in; whether its role is another than the owner's.

    Raises ``ProgrammingError`` where the role is missing and the owner may not make it.
    """
    with transaction.atomic(using=alias):
        (owner,) = _column(alias, "SELECT current_user")
        role = role_of(user) or owner
        tables = _tables(alias)
        _close(alias, tables)
        if role != owner:
            _make_role(alias, role, password)
            _let_in(alias, role, tables)
        _try(alias, f"The timeouts of {role} are left as they are", _timeouts(alias, role))
    return role != owner


def _tables(alias: str) -> list[str]:
    names = connections[alias].introspection.django_table_names(only_existing=True)
    return sorted({*names, "django_migrations"})


def _column(alias: str, query: str, *values: Any) -> list[str]:
    with connections[alias].cursor() as cursor:
        cursor.execute(query, values)
        return [row[0] for row in cursor.fetchall()]


def _run(alias: str, statements: Iterable[sql.Composed]) -> None:
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _try(alias: str, otherwise: str, statements: Iterable[sql.Composed]) -> None:
    """Run what a role that somebody else has made may not let us do."""
    try:
        with transaction.atomic(using=alias):
            _run(alias, statements)
    except ProgrammingError as exc:
        logger.warning("%s: %s", otherwise, exc)


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _grant(rights: str, tables: Sequence[str], roles: Sequence[str]) -> list[sql.Composed]:
    if not (tables and roles):
        return []
    grant = sql.SQL("GRANT " + rights + " ON {} TO {}")
    return [grant.format(_names(tables), _names(roles))]


def _close(alias: str, tables: Sequence[str]) -> None:
    existing = _column(alias, "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [*API_ROLES])
    is_open = _column(
        alias,
        "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND NOT relrowsecurity"
        " AND relnamespace = current_schema()::regnamespace",
        tables,
    )
    enable = sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY")
    revoke = sql.SQL("REVOKE ALL ON {} FROM {}")
    everyone = sql.SQL(", ").join([sql.SQL("PUBLIC"), *map(sql.Identifier, existing)])
    readable = _with_policy(alias, tables, READ_POLICY)
    _run(
        alias,
        [
            *(enable.format(sql.Identifier(table)) for table in is_open),
            revoke.format(_names(tables), everyone),
            *_grant("SELECT", readable, [role for role in READERS if role in existing]),
            *(
                sql.SQL("REVOKE ALL ON FUNCTION {} FROM {}").format(function, everyone)
                for function in _functions(alias)
            ),
        ],
    )


def _functions(alias: str) -> list[sql.Composable]:
    """With their arguments' types, as statements name them."""
    found = _column(
        alias,
        "SELECT oid::regprocedure::text FROM pg_proc WHERE proname = ANY(%s)"
        " AND pronamespace = current_schema()::regnamespace",
        [*FUNCTIONS],
    )
    return [sql.SQL(name) for name in found]


def _with_policy(alias: str, tables: Sequence[str], policy: str, role: str = "") -> list[str]:
    return _column(
        alias,
        "SELECT tablename FROM pg_policies WHERE tablename = ANY(%s) AND policyname = %s"
        " AND schemaname = current_schema() AND (%s = '' OR roles = ARRAY[%s]::name[])",
        tables,
        policy,
        role,
        role,
    )


def _make_role(alias: str, role: str, password: str) -> None:
    exists = _column(alias, "SELECT rolname FROM pg_roles WHERE rolname = %s", role)
    statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
        sql.SQL("ALTER" if exists else "CREATE"),
        sql.Identifier(role),
        sql.Literal(_verifier(alias, role, password) if password else None),
    )
    if exists:
        _try(alias, f"The password of {role} is left as it is", [statement])
    else:
        _run(alias, [statement])


def _verifier(alias: str, role: str, password: str) -> str:
    """What the server keeps of a password: the password itself would stand in its log."""
    connections[alias].ensure_connection()
    server: psycopg.Connection[object] = connections[alias].connection
    made = server.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return made.decode()


def _let_in(alias: str, role: str, tables: Sequence[str]) -> None:
    name = sql.Identifier(role)
    schema = sql.Identifier(*_column(alias, "SELECT current_schema()"))
    has_policy = _with_policy(alias, tables, APPLICATION_POLICY)
    is_right = _with_policy(alias, tables, APPLICATION_POLICY, role)
    policy = sql.SQL("{} POLICY {} ON {} TO {} USING (true) WITH CHECK (true)")
    _run(
        alias,
        [
            sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, name),
            sql.SQL("REVOKE ALL ON {} FROM {}").format(_names(tables), name),
            *_grant(APPLICATION_RIGHTS, [t for t in tables if t not in OTHER_RIGHTS], [role]),
            *(
                statement
                for table, rights in OTHER_RIGHTS.items()
                for statement in _grant(rights, [t for t in tables if t == table], [role])
            ),
            *(
                sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(function, name)
                for function in _functions(alias)
            ),
            *(
                policy.format(
                    sql.SQL("ALTER" if table in has_policy else "CREATE"),
                    sql.Identifier(APPLICATION_POLICY),
                    sql.Identifier(table),
                    name,
                )
                for table in tables
                if table not in is_right
            ),
        ],
    )


def _timeouts(alias: str, role: str) -> list[sql.Composed]:
    (database,) = _column(alias, "SELECT current_database()")
    statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} TO {}")
    return [
        statement.format(
            sql.Identifier(role), sql.Identifier(database), sql.Identifier(name), sql.Literal(value)
        )
        for name, value in TIMEOUTS.items()
    ]
