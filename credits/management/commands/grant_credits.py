"""`manage.py grant_credits`: add to a user's balance."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import DataError, transaction

from credits import ledger


class Command(BaseCommand):
    help = "Grant credits to a user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--amount", required=True, type=int)
        parser.add_argument("--reason", default="Granted by staff", help="shown in the history")

    def handle(self, *, email: str, amount: int, reason: str, **options: Any) -> None:
        user = get_user_model().objects.filter(email=email.strip().lower()).first()
        if user is None:
            raise CommandError(f"There is no user {email}.")
        try:
            with transaction.atomic():
                ledger.open_account(user_id=user.pk)
                balance = ledger.grant(user_id=user.pk, amount=amount, description=reason)
        except ValueError as exc:
            raise CommandError(f"--amount: {exc}.") from exc
        except DataError as exc:
            raise CommandError("--amount: the balance would leave the range it can have.") from exc
        self.stdout.write(f"Granted {amount} credits to {user.email}: the balance is {balance}.")
