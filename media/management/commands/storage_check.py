"""Check that the configured object storage is suitable: `manage.py storage_check`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from media.storage import object_storage
from media.storage.checking import check_storage


class Command(BaseCommand):
    help = (
        "Try all that Auteur needs of the configured object storage, under a prefix of its own, "
        "and print a table. Exits non-zero if anything is missing. The file system's URLs are "
        "served by the API, which must run."
    )

    def handle(self, **options: Any) -> None:
        missing = []
        for finding in check_storage(object_storage()):
            word = "ok" if finding.is_good else "NO"
            self.stdout.write(f"{word}  {finding.name:<26}{finding.detail}")
            if not finding.is_good:
                missing.append(finding.name)
        if missing:
            raise CommandError(f"The storage will not do: {', '.join(missing)}.")
