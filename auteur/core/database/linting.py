"""Checks of new migrations for locks and rewrites, by Squawk (``.squawk.toml``) and a trial run."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

# These were written before any database was in use. All later migrations are checked.
BASELINE = {
    "accounts": "0002",
    "api": "0001",
    "credits": "0002",
    "gpu_tasks": "0002",
    "jobs": "0005",
    "media": "0010",
    "projects": "0002",
}
TRIAL_SCHEMA = "auteur_migrations_tried"
"""The schema of the trial run."""
FILES = """
    SELECT relname, oid, pg_relation_filenode(oid) FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'i', 'm')
"""


def list_new_migrations(loader: MigrationLoader) -> list[Migration]:
    """Return the migrations of our apps that are newer than the baseline."""
    labels = {app.label for app in apps.get_app_configs() if _is_ours(app.path)}
    return [
        migration
        for (app, name), migration in sorted(loader.graph.nodes.items())
        if app in labels and name[:4] > BASELINE.get(app, "")
    ]


def _is_ours(path: str) -> bool:
    return Path(path).is_relative_to(settings.BASE_DIR) and "site-packages" not in path


def lint_migrations(loader: MigrationLoader, migrations: Iterable[Migration]) -> str:
    """Return Squawk's complaints about the migrations, or an empty text."""
    with tempfile.TemporaryDirectory(prefix="auteur-migrations-") as folder:
        for migration in migrations:
            name = f"{migration.app_label}_{migration.name}.sql"
            Path(folder, name).write_text(_build_sql(loader, migration))
        squawk = Path(sys.executable).with_name("squawk")
        config = settings.BASE_DIR / ".squawk.toml"
        result = subprocess.run(
            [
                str(squawk),
                "--config",
                str(config),
                "--reporter",
                "gcc",
                "--no-error-on-unmatched-pattern",
                "*.sql",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    return result.stdout + result.stderr if result.returncode else ""


def _build_sql(loader: MigrationLoader, migration: Migration) -> str:
    lines = loader.collect_sql([(migration, False)])
    if migration.atomic:
        lines = ["BEGIN;", *lines, "COMMIT;"]
    return "\n".join([*lines, ""])


@contextmanager
def use_empty_schema(alias: str) -> Iterator[None]:
    """Run the block in an empty schema, which is dropped at the end."""
    connection = connections[alias]
    drop = f"DROP SCHEMA IF EXISTS {TRIAL_SCHEMA} CASCADE"
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        (search_path,) = cursor.fetchone()
        cursor.execute(drop)
        cursor.execute(f"CREATE SCHEMA {TRIAL_SCHEMA}")
        cursor.execute(f"SET search_path TO {TRIAL_SCHEMA}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('search_path', %s, false)", [search_path])
            cursor.execute(drop)


def find_rewrites(executor: MigrationExecutor) -> dict[str, list[str]]:
    """Run all migrations in an empty schema. Return the tables and indexes that new ones rewrite.

    Nobody can read a table while it is rewritten. PostgreSQL rewrites it into a new file even if it
    has no rows, so the trial run shows it.
    """
    new_names = {
        (migration.app_label, migration.name) for migration in list_new_migrations(executor.loader)
    }
    rewrites: dict[str, list[str]] = {}
    before: dict[str, tuple[int, int]] = {}

    def note_change(
        action: str, migration: Migration | None = None, fake: bool | None = None
    ) -> None:
        nonlocal before
        if action == "apply_start":
            before = _read_files(executor)
        elif action == "apply_success" and migration:
            changed = _list_changed_files(before, _read_files(executor), migration)
            if changed and (migration.app_label, migration.name) in new_names:
                rewrites[f"{migration.app_label}.{migration.name}"] = changed

    executor.progress_callback = note_change
    executor.migrate(executor.loader.graph.leaf_nodes())
    return rewrites


def _list_changed_files(
    before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]], migration: Migration
) -> list[str]:
    """Return the tables and indexes whose file has changed.

    A migration that is not atomic may drop an index and create it again without blocking anybody,
    so a new index id does not count for it.
    """
    return sorted(
        name
        for name in before.keys() & after.keys()
        if before[name][1] != after[name][1]
        and (migration.atomic or before[name][0] == after[name][0])
    )


def _read_files(executor: MigrationExecutor) -> dict[str, tuple[int, int]]:
    """Return the id and the file of each table and index."""
    with executor.connection.cursor() as cursor:
        cursor.execute(FILES)
        return {name: (oid, file) for name, oid, file in cursor.fetchall()}
