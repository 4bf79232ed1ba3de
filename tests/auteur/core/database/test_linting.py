"""New migrations are looked at, and those that would stop a database in use are refused."""

from typing import Any

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from auteur.core.database import linting

pytestmark = pytest.mark.django_db(transaction=True)  # as migrations that are not atomic need it

INDEX = models.Index(fields=["status", "created_at"], name="jobs_by_status")


@pytest.fixture
def loader() -> MigrationLoader:
    return MigrationLoader(connection, replace_migrations=False)


def add(
    loader: MigrationLoader, operation: Any, *, name: str = "9999_new", atomic: bool = True
) -> migrations.Migration:
    """One more migration of jobs."""
    (leaf,) = loader.graph.leaf_nodes("jobs")
    own = {"operations": [operation], "atomic": atomic, "dependencies": [leaf]}
    migration = type("Migration", (migrations.Migration,), own)(name, "jobs")
    loader.graph.add_node(("jobs", name), migration)
    loader.graph.add_dependency(migration, ("jobs", name), leaf)
    assert migration in linting.list_new_migrations(loader)
    return migration


def complaints(loader: MigrationLoader, operation: Any, *, atomic: bool = True) -> str:
    """What is said of one more migration of jobs."""
    return linting.lint_migrations(loader, [add(loader, operation, atomic=atomic)])


REWRITES = {
    "ALTER TABLE jobs ADD COLUMN nonce uuid DEFAULT gen_random_uuid()": "jobs",
    "ALTER TABLE jobs ALTER COLUMN credits_cost TYPE bigint": "jobs",
    "REINDEX INDEX jobs_pkey": "jobs_pkey",
    "DROP INDEX mine; CREATE INDEX mine ON jobs (credits_cost)": "mine",
}
LEAVES_ROWS = (
    "ALTER TABLE jobs ADD COLUMN note text NOT NULL DEFAULT ''",
    "CREATE INDEX mine ON jobs (id)",
)


def test_none_there_is_writes_a_table_anew_and_one_that_does_is_found() -> None:
    with linting.use_empty_schema("default"):
        executor = MigrationExecutor(connection)
        expected = {}
        for number, statement in enumerate((*LEAVES_ROWS, *REWRITES)):
            name = f"999{number}_new"
            add(executor.loader, migrations.RunSQL(statement), name=name)
            if statement in REWRITES:
                expected[f"jobs.{name}"] = REWRITES[statement]
        result = linting.find_rewrites(executor)
    assert result.keys() == expected.keys()
    assert all(expected[name] in result[name] for name in expected)


def test_those_there_are_are_safe(loader: MigrationLoader) -> None:
    result = linting.list_new_migrations(loader)
    assert {migration.app_label for migration in result} >= {"jobs", "projects"}
    assert linting.lint_migrations(loader, result) == ""


@pytest.mark.parametrize(
    ("operation", "rule"),
    [
        (migrations.AddIndex("job", INDEX), "require-concurrent-index-creation"),
        (migrations.AddField("job", "must", models.TextField()), "adding-required-field"),
        (
            migrations.AddConstraint(
                "job", models.CheckConstraint(condition=~models.Q(type=""), name="has_type")
            ),
            "constraint-missing-not-valid",
        ),
        (migrations.RemoveField("job", "status"), "ban-drop-column"),
        (migrations.RunSQL("ALTER TABLE jobs RENAME TO work"), "renaming-table"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unsafe_one_is_refused(loader: MigrationLoader, operation: Any, rule: str) -> None:
    output = complaints(loader, operation)
    assert rule in output
    assert "jobs_9999_new.sql" in output


def test_an_index_made_beside_the_writers_is_safe(loader: MigrationLoader) -> None:
    assert complaints(loader, AddIndexConcurrently("job", INDEX), atomic=False) == ""


def test_a_new_column_that_may_be_empty_is_safe(loader: MigrationLoader) -> None:
    assert complaints(loader, migrations.AddField("job", "note", models.TextField(null=True))) == ""
