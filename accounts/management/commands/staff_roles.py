"""`manage.py staff_roles`: create or update the groups of the staff roles."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.staff import roles


class Command(BaseCommand):
    help = "Create the groups support, billing and ops, and set their permissions."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            groups = roles.ensure_roles()
        except roles.MissingPermissionError as exc:
            raise CommandError(str(exc)) from exc
        for group in groups:
            self.stdout.write(f"{group.name}: {len(roles.ROLES[group.name])} permissions")
