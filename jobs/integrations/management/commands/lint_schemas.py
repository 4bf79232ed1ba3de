"""Provide `manage.py lint_schemas`, a step of `make check`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.integrations.streams import compatibility, schemas


class Command(BaseCommand):
    help = (
        "Check that the schema of each stream can read the records of the last release (BACKWARD "
        "compatibility)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--released", type=Path, default=schemas.RELEASED, metavar="FOLDER")

    def handle(self, *, released: Path, **options: Any) -> None:
        if complaints := compatibility.find_incompatibilities(released):
            raise CommandError("\n".join(complaints))
        self.stdout.write("Every schema can read the records of the last release.")
