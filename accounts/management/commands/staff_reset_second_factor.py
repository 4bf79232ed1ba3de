"""`manage.py staff_reset_second_factor`: reset a lost second factor."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.staff import second_factor


class Command(BaseCommand):
    help = (
        "Remove the authenticator and recovery codes of a member of staff. At the next sign-in, "
        "their password alone is enough to enrol again, so make sure who asked for this."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", required=True)

    def handle(self, *, email: str, **options: Any) -> None:
        user = User.objects.filter(email=email.strip().lower(), is_staff=True).first()
        if user is None:
            raise CommandError(f"There is no member of staff with the address {email}.")
        if second_factor.remove_second_factor(user):
            self.stdout.write(f"{user.email} has no second factor any more.")
        else:
            self.stdout.write(f"{user.email} had no second factor.")
