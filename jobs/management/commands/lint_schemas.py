"""A step of `make check`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.streams import compatibility


class Command(BaseCommand):
    help = "Fails if a stream's schema could not read what the last release wrote (BACKWARD)."

    def handle(self, *args: Any, **options: Any) -> None:
        if complaints := compatibility.complaints():
            raise CommandError("\n".join(complaints))
        self.stdout.write("Every schema reads what the last release wrote.")
