"""`manage.py grant_credits`: grant credits to a user."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import DataError, transaction

from credits import ledger
from credits.models import GrantKind


def parse_time(text: str) -> datetime:
    """Return a time of ISO 8601 text, in UTC if the text has no offset."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError as exc:
        raise ArgumentTypeError(f"{text} is no time: use the form 2027-01-31T12:00") from exc
    return value if value.tzinfo else value.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = "Grant credits to a user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--amount", required=True, type=int)
        parser.add_argument(
            "--reason",
            default="Granted by staff",
            help="the description in the user's credit history",
        )
        parser.add_argument("--kind", choices=GrantKind.values, default=GrantKind.PROMO.value)
        parser.add_argument("--expires-at", type=parse_time, help="in ISO 8601 (default: never)")

    def handle(
        self,
        *,
        email: str,
        amount: int,
        reason: str,
        kind: str = GrantKind.PROMO.value,
        expires_at: datetime | None = None,
        **options: Any,
    ) -> None:
        user = get_user_model().objects.filter(email=email.strip().lower()).first()
        if user is None:
            raise CommandError(f"There is no user with the address {email}.")
        try:
            with transaction.atomic():
                ledger.open_account(user_id=user.pk)
                balance = ledger.grant(
                    user_id=user.pk,
                    amount=amount,
                    kind=GrantKind(kind),
                    expires_at=expires_at,
                    description=reason,
                )
        except ledger.InvalidGrantError as exc:
            raise CommandError(f"--{exc.field.replace('_', '-')}: {exc}.") from exc
        except ledger.TooManyGrantsProblem as exc:
            raise CommandError(str(exc.detail)) from exc
        except DataError as exc:
            raise CommandError(
                "--amount: the balance would exceed its allowed range. Use less."
            ) from exc
        unit = "credit" if amount == 1 else "credits"
        self.stdout.write(f"Granted {amount} {unit} to {user.email}: the balance is {balance}.")
