"""Create a certificate for development and its key: `manage.py provenance_certificate FOLDER`."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from media.provenance import certificates

CERTIFICATE, KEY = "c2pa-certificate.pem", "c2pa-private-key.pem"


class Command(BaseCommand):
    help = (
        "Create a certificate and key that sign content credentials in development. The "
        "certificate chains to a new root that nobody else trusts. Existing files are kept."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            chain, key = certificates.create_development_certificate()
            _create_private_file(folder / KEY, key)
            _create_private_file(folder / CERTIFICATE, chain)
        except FileExistsError as exc:
            raise CommandError(
                f"{exc.filename} exists already and is not replaced. Delete it first, or name "
                "another folder."
            ) from exc
        except OSError as exc:
            raise CommandError(
                f"The folder cannot be written to: {exc.strerror}. Name another folder."
            ) from exc
        self.stdout.write(f"C2PA_CERTIFICATE_PATH={folder.resolve() / CERTIFICATE}")
        self.stdout.write(f"C2PA_PRIVATE_KEY_FILE={folder.resolve() / KEY}")


def _create_private_file(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, 0o600), "w") as file:
        file.write(text)
