"""`manage.py create_staff`: create a member of staff."""

import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.staff import members
from accounts.staff.roles import ROLES, SUPERUSER, MissingPermissionError

PASSWORD_VARIABLE = "STAFF_PASSWORD"  # noqa: S105 (a variable's name)
GENERATED_BYTES = 15


class Command(BaseCommand):
    help = (
        "Create a staff account, or make an existing account staff. The password comes from "
        f"--password-file or {PASSWORD_VARIABLE}; without either, one is generated and printed. An "
        "account that has a password keeps it, except with --reset."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--password-file", type=Path)
        parser.add_argument("--reset", action="store_true", help="replace the password")
        parser.add_argument("--role", choices=[*ROLES, SUPERUSER], default=SUPERUSER)

    @transaction.atomic
    def handle(
        self, *, email: str, password_file: Path | None, reset: bool, role: str, **options: Any
    ) -> None:
        chosen_password = _read_password(password_file)
        password = chosen_password or secrets.token_urlsafe(GENERATED_BYTES)
        try:
            validate_password(password)
            user, password_set = members.ensure_staff(
                email=email, password=password, reset=reset, role=role
            )
        except ValidationError as exc:
            raise CommandError(" ".join(exc.messages)) from exc
        except (members.NotPossibleError, MissingPermissionError) as exc:
            raise CommandError(str(exc)) from exc
        if not password_set:
            self.stdout.write(f"Staff account {user.email} exists. Its password is unchanged.")
        elif chosen_password:
            self.stdout.write(f"Staff account {user.email} has the configured password.")
        else:
            self.stdout.write(f"Staff account {user.email}, password: {password}")


def _read_password(path: Path | None) -> str:
    if path is None:
        return os.environ.get(PASSWORD_VARIABLE, "")
    try:
        password = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise CommandError(f"--password-file cannot be read: {path}") from exc
    if not password:
        raise CommandError(f"--password-file is empty: {path}")
    return password
