"""The rights on the tables: of their owner, the application, and Supabase's own API.

``migrate`` calls `secure_tables` at its end, as the owner. Repeating it changes nothing. Only
tables of Django's models are ours: a schema may also hold tables of other programs.
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
# These functions run with the owner's rights and do what their callers may not do directly.
FUNCTIONS = ("scrub_admin_log", "remove_old_admin_log", "work_waiting")
# The roles of Supabase's keys, if Supabase is used. The anonymous role sees nothing. A user's sees
# the user's own rows (policies named `own_rows`). None of them writes, not even the service role:
# only the API changes balances and jobs.
API_ROLES = ("anon", "authenticated", "service_role")
READERS = ("authenticated", "service_role")
READ_POLICY, APPLICATION_POLICY = "own_rows", "application"
# These are defaults of the role in this database, because poolers refuse connection options.
TIMEOUTS = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}


def get_role(user: str) -> str:
    """Return the role of a URL's user. Supabase's pooler expects ``role.project`` as the user."""
    return user.partition(".")[0]


def secure_tables(alias: str, *, user: str, password: str) -> bool:
    """Secure all tables and grant the application its rights.

    Return True if its role is not the owner's. Raise ``ProgrammingError`` if the role is missing
    and the owner may not create it.
    """
    with transaction.atomic(using=alias):
        (owner,) = _query_column(alias, "SELECT current_user")
        role = get_role(user) or owner
        tables = _list_tables(alias)
        _revoke_access(alias, tables)
        if role != owner:
            _create_role(alias, role, password)
            _grant_access(alias, role, tables)
        _execute_if_allowed(
            alias, f"The timeouts of {role} are left as they are", _build_timeouts(alias, role)
        )
    return role != owner


def _list_tables(alias: str) -> list[str]:
    names = connections[alias].introspection.django_table_names(only_existing=True)
    return sorted({*names, "django_migrations"})


def _query_column(alias: str, query: str, *values: Any) -> list[str]:
    with connections[alias].cursor() as cursor:
        cursor.execute(query, values)
        return [row[0] for row in cursor.fetchall()]


def _execute_all(alias: str, statements: Iterable[sql.Composed]) -> None:
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _execute_if_allowed(alias: str, warning: str, statements: Iterable[sql.Composed]) -> None:
    """Execute statements that fail if another role has created the application's role."""
    try:
        with transaction.atomic(using=alias):
            _execute_all(alias, statements)
    except ProgrammingError as exc:
        logger.warning("%s: %s", warning, exc)


def _join_identifiers(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _build_grants(rights: str, tables: Sequence[str], roles: Sequence[str]) -> list[sql.Composed]:
    if not (tables and roles):
        return []
    grant = sql.SQL("GRANT " + rights + " ON {} TO {}")
    return [grant.format(_join_identifiers(tables), _join_identifiers(roles))]


def _revoke_access(alias: str, tables: Sequence[str]) -> None:
    existing = _query_column(
        alias, "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [*API_ROLES]
    )
    open_tables = _query_column(
        alias,
        "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND NOT relrowsecurity"
        " AND relnamespace = current_schema()::regnamespace",
        tables,
    )
    enable = sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY")
    revoke = sql.SQL("REVOKE ALL ON {} FROM {}")
    grantees = sql.SQL(", ").join([sql.SQL("PUBLIC"), *map(sql.Identifier, existing)])
    readable = _list_tables_with_policy(alias, tables, READ_POLICY)
    _execute_all(
        alias,
        [
            *(enable.format(sql.Identifier(table)) for table in open_tables),
            revoke.format(_join_identifiers(tables), grantees),
            *_build_grants("SELECT", readable, [role for role in READERS if role in existing]),
            *(
                sql.SQL("REVOKE ALL ON FUNCTION {} FROM {}").format(function, grantees)
                for function in _list_functions(alias)
            ),
        ],
    )


def _list_functions(alias: str) -> list[sql.Composable]:
    """Return the functions with their argument types, as statements name them."""
    signatures = _query_column(
        alias,
        "SELECT oid::regprocedure::text FROM pg_proc WHERE proname = ANY(%s)"
        " AND pronamespace = current_schema()::regnamespace",
        [*FUNCTIONS],
    )
    return [sql.SQL(name) for name in signatures]


def _list_tables_with_policy(
    alias: str, tables: Sequence[str], policy: str, role: str = ""
) -> list[str]:
    return _query_column(
        alias,
        "SELECT tablename FROM pg_policies WHERE tablename = ANY(%s) AND policyname = %s"
        " AND schemaname = current_schema() AND (%s = '' OR roles = ARRAY[%s]::name[])",
        tables,
        policy,
        role,
        role,
    )


def _create_role(alias: str, role: str, password: str) -> None:
    exists = _query_column(alias, "SELECT rolname FROM pg_roles WHERE rolname = %s", role)
    statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
        sql.SQL("ALTER" if exists else "CREATE"),
        sql.Identifier(role),
        sql.Literal(_build_password_verifier(alias, role, password) if password else None),
    )
    if exists:
        _execute_if_allowed(alias, f"The password of {role} is left as it is", [statement])
    else:
        _execute_all(alias, [statement])


def _build_password_verifier(alias: str, role: str, password: str) -> str:
    """Return the SCRAM verifier of a password, so that the server's log does not contain it."""
    connections[alias].ensure_connection()
    server: psycopg.Connection[object] = connections[alias].connection
    verifier = server.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return verifier.decode()


def _grant_access(alias: str, role: str, tables: Sequence[str]) -> None:
    name = sql.Identifier(role)
    schema = sql.Identifier(*_query_column(alias, "SELECT current_schema()"))
    tables_with_policy = _list_tables_with_policy(alias, tables, APPLICATION_POLICY)
    tables_of_role = _list_tables_with_policy(alias, tables, APPLICATION_POLICY, role)
    policy = sql.SQL("{} POLICY {} ON {} TO {} USING (true) WITH CHECK (true)")
    _execute_all(
        alias,
        [
            sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, name),
            sql.SQL("REVOKE ALL ON {} FROM {}").format(_join_identifiers(tables), name),
            *_build_grants(
                APPLICATION_RIGHTS, [t for t in tables if t not in OTHER_RIGHTS], [role]
            ),
            *(
                statement
                for table, rights in OTHER_RIGHTS.items()
                for statement in _build_grants(rights, [t for t in tables if t == table], [role])
            ),
            *(
                sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(function, name)
                for function in _list_functions(alias)
            ),
            *(
                policy.format(
                    sql.SQL("ALTER" if table in tables_with_policy else "CREATE"),
                    sql.Identifier(APPLICATION_POLICY),
                    sql.Identifier(table),
                    name,
                )
                for table in tables
                if table not in tables_of_role
            ),
        ],
    )


def _build_timeouts(alias: str, role: str) -> list[sql.Composed]:
    (database,) = _query_column(alias, "SELECT current_database()")
    statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} TO {}")
    return [
        statement.format(
            sql.Identifier(role), sql.Identifier(database), sql.Identifier(name), sql.Literal(value)
        )
        for name, value in TIMEOUTS.items()
    ]
