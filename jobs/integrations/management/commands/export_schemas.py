"""Provide `manage.py export_schemas FOLDER`: write the streams' schemas for their readers."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from jobs.integrations.streams import schemas
from jobs.integrations.streams.names import STREAMS


class Command(BaseCommand):
    help = (
        "Write the complete Avro schema of each stream into a file of the folder, named after the "
        "stream: for readers without a registry and, in "
        "jobs/integrations/streams/schemas/released, for the comparison with the next release."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *, folder: Path, **options: Any) -> None:
        schemas.export_schemas(folder)
        self.stdout.write(f"Wrote the schemas of {len(STREAMS)} streams to {folder}.")
