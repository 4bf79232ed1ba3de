"""Who sees and changes which rows past Django: every table of the schema, as every key of Supabase.

A table that a later migration adds is among them, for they are read from the catalogue.
"""

import json
import uuid
from typing import Any

import pytest
from django.db import DatabaseError, ProgrammingError, connection, transaction
from psycopg.errors import InsufficientPrivilege

from accounts.models import User
from auteur.core.database import reports, roles
from jobs.models import Job
from media.models import VoiceClone
from projects.models import Project
from tests.auteur.core.database.conftest import run

API_ROLES = ("anon", "authenticated", "service_role")
TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
"""
OWNER_COLUMN = {
    "users": "id",
    "subscriptions": "user_id",
    "credits": "user_id",
    "credit_transactions": "user_id",
    "projects": "user_id",
    "media_files": "user_id",
    "voice_clones": "user_id",
    "jobs": "user_id",
}
"""The tables of which users may read their own rows at Supabase; nothing else is open."""
CHANGES = (
    "INSERT INTO {table} DEFAULT VALUES",
    'UPDATE {table} SET "{column}" = "{column}"',
    "DELETE FROM {table}",
    "TRUNCATE {table} CASCADE",
)


def tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        return sorted(name for (name,) in cursor.fetchall())


@pytest.fixture
def supabase(db: None) -> None:
    """The roles of a Supabase database, which are given everything on each new table."""
    for role in API_ROLES:
        if not run("SELECT 1 FROM pg_roles WHERE rolname = %s", role):
            bypasses = "BYPASSRLS" if role == "service_role" else ""
            run(f"CREATE ROLE {role} {bypasses}")
        run(f"GRANT USAGE ON SCHEMA public TO {role}")
        run(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")


@pytest.fixture
def secured(supabase: None) -> None:
    """What the end of ``migrate`` makes of it."""
    roles.secure_tables("default", user="", password="")


@pytest.fixture
def people(user: User, make_user, make_job) -> tuple[User, User]:
    """Two users, with rows of each kind."""
    other = make_user(balance=10)
    for owner in (user, other):
        make_job(owner)
        project = Project.objects.create(user=owner, name="Film")
        VoiceClone.objects.create(user=owner, name="Voice", sample_r2_key=str(project.pk))
    assert Job.objects.count() == 2
    return user, other


class As:
    """Statements as one of Supabase's roles, with a user's token."""

    def __init__(self, role: str, user_id: uuid.UUID | None) -> None:
        self.role = role
        self.claims = json.dumps({"sub": str(user_id), "role": role} if user_id else {})

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('request.jwt.claims', %s, true)", [self.claims])
            cursor.execute(f"SET LOCAL ROLE {self.role}")
            cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
            cursor.execute("RESET ROLE")
        return rows

    def may(self, statement: str) -> bool:
        """Whether rights and policies let it through; what the tables' own rules say is apart."""
        try:
            self.run(statement)
        except ProgrammingError as exc:
            return not isinstance(exc.__cause__, InsufficientPrivilege)
        except DatabaseError:
            return True
        return True

    def sees(self, table: str) -> set[str] | None:
        """The owners of the rows that are shown, None where all are denied."""
        column = OWNER_COLUMN.get(table)
        try:
            rows = self.run(f"SELECT {column or 'NULL'} FROM {table}")
        except ProgrammingError:
            return None
        return {str(owner) for (owner,) in rows}


def first_column(table: str) -> str:
    return str(
        run(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum = 1"
            " AND NOT attisdropped",
            table,
        )
    )


def open_to(who: As) -> dict[str, Any]:
    """All that somebody sees or may change, by table."""
    result: dict[str, Any] = {}
    for table in tables():
        if (seen := who.sees(table)) is not None:
            result[table] = seen
        for change in CHANGES:
            statement = change.format(table=table, column=first_column(table))
            if who.may(statement):
                result[statement] = True
    return result


def test_anonymous_keys_see_and_change_nothing(secured, people) -> None:
    assert open_to(As("anon", None)) == {}
    assert open_to(As("anon", people[0].pk)) == {}


def test_users_see_their_own_rows_and_change_nothing(secured, people) -> None:
    for person in people:
        result = open_to(As("authenticated", person.pk))
        assert set(result) == set(OWNER_COLUMN)
        assert {name for name, seen in result.items() if not seen} <= {"subscriptions"}
        assert set().union(*result.values()) == {str(person.pk)}
    stranger = open_to(As("authenticated", uuid.uuid4()))
    assert stranger == {table: set() for table in OWNER_COLUMN}


def test_the_service_key_reads_the_same_tables_whole_and_changes_nothing(secured, people) -> None:
    result = open_to(As("service_role", None))
    assert set(result) == set(OWNER_COLUMN)
    assert {str(person.pk) for person in people} <= result["jobs"]


def test_no_key_calls_what_runs_with_the_owners_rights(supabase) -> None:
    for role in API_ROLES:
        run(f"GRANT EXECUTE ON FUNCTION scrub_admin_log(integer[]) TO {role}")
    roles.secure_tables("default", user="", password="")
    for role in API_ROLES:
        assert not As(role, None).may("SELECT scrub_admin_log('{}')")


def test_rows_are_closed_by_policy_too_where_all_rights_are_given(supabase, people) -> None:
    for who in (As("anon", None), As("authenticated", uuid.uuid4())):
        seen = {table: who.sees(table) for table in tables()}
        assert {table for table, rows in seen.items() if rows} == set()


def test_every_table_has_row_level_security(secured) -> None:
    assert len(tables()) > 20
    result = {warning.id for warning in reports.list_warnings(databases=["default"])}
    assert "database.W002" not in result


def test_a_table_without_it_is_found(supabase, people) -> None:
    run("CREATE TABLE forgotten (id int)")
    run("GRANT ALL ON forgotten TO anon")
    (warning,) = (
        w for w in reports.list_warnings(databases=["default"]) if w.id == "database.W002"
    )
    assert "forgotten" in warning.msg
    assert "forgotten" in open_to(As("anon", None))


def test_one_role_for_all_is_said(db: None) -> None:
    assert "database.W001" in {
        warning.id for warning in reports.list_warnings(databases=["default"])
    }
