"""Lint new migrations, as a step of `make check`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from auteur.core.database import linting


class Command(BaseCommand):
    help = "Fail if a migration since the baseline would block a database in use."

    def handle(self, *args: Any, **options: Any) -> None:
        loader = MigrationLoader(connection, replace_migrations=False)
        migrations = linting.list_new_migrations(loader)
        if complaints := linting.lint_migrations(loader, migrations):
            raise CommandError(complaints)
        with linting.use_empty_schema(connection.alias):
            rewrites = linting.find_rewrites(MigrationExecutor(connection))
        if rewrites:
            raise CommandError(f"These tables are rewritten, which blocks all readers: {rewrites}")
        self.stdout.write(f"{len(migrations)} new migrations are safe.")
