"""What new migrations would do to a database in use: by Squawk (``.squawk.toml``) and by a try."""

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

# Made before there was anything to stop; all later ones are looked at.
BASELINE = {
    "accounts": "0002",
    "api": "0001",
    "credits": "0002",
    "gpu_tasks": "0002",
    "jobs": "0005",
    "media": "0010",
    "projects": "0002",
}
TRIED_IN = "auteur_migrations_tried"
"""The schema of a try."""
FILES = """
    SELECT relname, oid, pg_relation_filenode(oid) FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'i', 'm')
"""


def list_new_migrations(loader: MigrationLoader) -> list[Migration]:
    """Those of our apps that are newer than the baseline."""
    ours = {app.label for app in apps.get_app_configs() if _is_ours(app.path)}
    return [
        migration
        for (app, name), migration in sorted(loader.graph.nodes.items())
        if app in ours and name[:4] > BASELINE.get(app, "")
    ]


def _is_ours(path: str) -> bool:
    return Path(path).is_relative_to(settings.BASE_DIR) and "site-packages" not in path


def lint_migrations(loader: MigrationLoader, migrations: Iterable[Migration]) -> str:
    """What Squawk says about them, file by file; nothing if there is nothing to say."""
    with tempfile.TemporaryDirectory(prefix="auteur-migrations-") as folder:
        for migration in migrations:
            name = f"{migration.app_label}_{migration.name}.sql"
            Path(folder, name).write_text(_sql(loader, migration))
        squawk = Path(sys.executable).with_name("squawk")
        config = settings.BASE_DIR / ".squawk.toml"
        done = subprocess.run(
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
    return done.stdout + done.stderr if done.returncode else ""


def _sql(loader: MigrationLoader, migration: Migration) -> str:
    lines = loader.collect_sql([(migration, False)])
    if migration.atomic:
        lines = ["BEGIN;", *lines, "COMMIT;"]
    return "\n".join([*lines, ""])


@contextmanager
def empty_schema(alias: str) -> Iterator[None]:
    """Work in a schema of our own, which is dropped at the end."""
    connection = connections[alias]
    drop = f"DROP SCHEMA IF EXISTS {TRIED_IN} CASCADE"
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        (before,) = cursor.fetchone()
        cursor.execute(drop)
        cursor.execute(f"CREATE SCHEMA {TRIED_IN}")
        cursor.execute(f"SET search_path TO {TRIED_IN}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('search_path', %s, false)", [before])
            cursor.execute(drop)


def find_rewrites(executor: MigrationExecutor) -> dict[str, list[str]]:
    """Which new migrations write which tables and indexes anew; runs all where nothing is there.

    For as long as that takes, nobody reads them. PostgreSQL does it whether there are rows or not,
    and puts them into new files.
    """
    new = {(each.app_label, each.name) for each in list_new_migrations(executor.loader)}
    found: dict[str, list[str]] = {}
    before: dict[str, tuple[int, int]] = {}

    def note(action: str, migration: Migration | None = None, fake: bool | None = None) -> None:
        nonlocal before
        if action == "apply_start":
            before = _files(executor)
        elif action == "apply_success" and migration:
            changed = _changed(before, _files(executor), migration)
            if changed and (migration.app_label, migration.name) in new:
                found[f"{migration.app_label}.{migration.name}"] = changed

    executor.progress_callback = note
    executor.migrate(executor.loader.graph.leaf_nodes())
    return found


def _changed(
    before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]], migration: Migration
) -> list[str]:
    """What lies in another file; of what is not atomic, indexes are dropped and made beside us."""
    return sorted(
        name
        for name in before.keys() & after.keys()
        if before[name][1] != after[name][1]
        and (migration.atomic or before[name][0] == after[name][0])
    )


def _files(executor: MigrationExecutor) -> dict[str, tuple[int, int]]:
    """Of each table and index its id and its file."""
    with executor.connection.cursor() as cursor:
        cursor.execute(FILES)
        return {name: (oid, file) for name, oid, file in cursor.fetchall()}
