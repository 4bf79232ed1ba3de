"""`manage.py renew_encryption`: the last step of changing ``DJANGO_SECRET_KEY``."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from auteur.core import encryption


class Command(BaseCommand):
    help = (
        "Encrypt with DJANGO_SECRET_KEY what one of DJANGO_SECRET_KEY_FALLBACKS has encrypted. "
        "Fails where something can be read with none of them."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        counts = encryption.reencrypt()
        self.stdout.write(f"{counts.renewed} values are encrypted anew.")
        if counts.unreadable:
            raise CommandError(
                f"{counts.unreadable} values cannot be read with any key: put the one that "
                "encrypted them into DJANGO_SECRET_KEY_FALLBACKS, or have them entered again."
            )
