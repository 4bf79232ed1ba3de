"""`manage.py issue_token`: print a token for development, and nothing else."""

import uuid
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts import signup, tokens
from accounts.models import User

DEFAULT_HOURS = 24
MAX_HOURS = 365 * 24


class Command(BaseCommand):
    help = "Print an access token for a user, who is created if there is none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument(
            "--hours", type=int, default=DEFAULT_HOURS, help=f"lifetime, at most {MAX_HOURS}"
        )

    def handle(self, *, email: str, hours: int, **options: Any) -> None:
        if not 1 <= hours <= MAX_HOURS:
            raise CommandError(f"--hours is {hours}: use 1 to {MAX_HOURS}.")
        if not settings.SUPABASE_JWT_SECRET:
            raise CommandError(
                "SUPABASE_JWT_SECRET is not set. Set it, because it signs the token."
            )
        user = _get_or_create_user(email)
        lifetime = timedelta(hours=hours)
        self.stdout.write(tokens.issue_token(user_id=user.pk, email=user.email, lifetime=lifetime))


def _get_or_create_user(email: str) -> User:
    try:
        email = signup.clean_email(email)
    except signup.EmailRequiredProblem as exc:
        raise CommandError(f"{email} is not an email address.") from exc
    user = User.objects.filter(email=email).first()
    if user is None:
        user = signup.sign_up(user_id=uuid.uuid4(), email=email)
    if not user.is_active:
        raise CommandError(f"User {email} is not active, so no token would be accepted.")
    return user
