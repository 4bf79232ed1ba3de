"""`manage.py set_plan`: begin or end a user's plan."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Plan, User
from accounts.subscriptions import set_plan

NO_PLAN = "none"


class Command(BaseCommand):
    help = "Give a user a plan without end, or end their plan. The current plan ends."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--plan", required=True, choices=[*Plan.values, NO_PLAN])

    def handle(self, *, email: str, plan: str, **options: Any) -> None:
        user = User.objects.filter(email=email.strip().lower()).first()
        if user is None:
            raise CommandError(f"There is no user with the address {email}.")
        set_plan(user_id=user.pk, plan=None if plan == NO_PLAN else Plan(plan))
        self.stdout.write(f"{user.email} is on plan {plan}.")
