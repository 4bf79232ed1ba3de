"""What new migrations would do to a database in use, by Squawk (``.squawk.toml``)."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db.migrations import Migration
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


def new_migrations(loader: MigrationLoader) -> list[Migration]:
    """Those of our apps that are newer than the baseline."""
    ours = {app.label for app in apps.get_app_configs() if _is_ours(app.path)}
    return [
        migration
        for (app, name), migration in sorted(loader.graph.nodes.items())
        if app in ours and name[:4] > BASELINE.get(app, "")
    ]


def _is_ours(path: str) -> bool:
    return Path(path).is_relative_to(settings.BASE_DIR) and "site-packages" not in path


def complaints(loader: MigrationLoader, migrations: Iterable[Migration]) -> str:
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
