"""Check that the configured object storage is suitable: `manage.py storage_check`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from media.storage import object_storage
from media.storage.checking import check_storage


class Command(BaseCommand):
    help = (
        "Try everything that Auteur needs from the configured object storage, under a separate "
        "prefix, and print a table. Exits with an error if a check fails. If the storage is the "
        "file system, the API must run, because it serves the URLs."
    )

    def handle(self, **options: Any) -> None:
        missing = []
        for finding in check_storage(object_storage()):
            word = "ok" if finding.is_good else "NO"
            self.stdout.write(f"{word}  {finding.name:<26}{finding.detail}")
            if not finding.is_good:
                missing.append(finding.name)
        if missing:
            raise CommandError(f"The storage is not suitable. Failed checks: {', '.join(missing)}.")
