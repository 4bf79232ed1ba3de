"""`manage.py renew_encryption`: the last step of changing ``DJANGO_SECRET_KEY``."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from auteur.core import encryption


class Command(BaseCommand):
    help = (
        "Encrypt with DJANGO_SECRET_KEY the values that a key of DJANGO_SECRET_KEY_FALLBACKS has "
        "encrypted. Fail if no key can read a value."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        counts = encryption.reencrypt()
        self.stdout.write(f"{counts.renewed} values were encrypted again.")
        if counts.unreadable:
            raise CommandError(
                f"{counts.unreadable} values cannot be read with any key. Add the key that "
                "encrypted them to DJANGO_SECRET_KEY_FALLBACKS, or have users enter them again."
            )
