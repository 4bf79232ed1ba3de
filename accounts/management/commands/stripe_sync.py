"""`manage.py stripe_sync`: store the events that the Stripe webhook has missed."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.billing import missed_events
from accounts.billing.client import (
    BillingDisabledProblem,
    StripeAwayError,
    StripeRefusedError,
)
from accounts.billing.stripe_objects import UnreadableError


class Command(BaseCommand):
    help = "Store the Stripe events that the webhook has missed. The orchestrator processes them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days",
            type=int,
            help=f"how many days to look back, at most {missed_events.LISTED_DAYS}; by default to "
            f"{missed_events.OVERLAP.days} days before the last stored event",
        )
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *, days: int | None, as_json: bool, **options: Any) -> None:
        try:
            synced = missed_events.fetch_missed_events(days=days)
        except ValueError as exc:
            raise CommandError(f"--days: {exc}.") from exc
        except BillingDisabledProblem as exc:
            raise CommandError("STRIPE_SECRET_KEY is not set. Set it to use billing.") from exc
        except (StripeAwayError, StripeRefusedError, UnreadableError) as exc:
            raise CommandError(f"The request to Stripe failed: {exc}. Try again later.") from exc
        answer = {
            "since": synced.since.isoformat(),
            "listed": synced.listed,
            "found": synced.missed,
            "complete": synced.is_complete,
        }
        if as_json:
            self.stdout.write(json.dumps(answer))
        else:
            self.stdout.write(
                f"Of {synced.listed} events since {synced.since:%Y-%m-%d %H:%M} UTC, "
                f"{synced.missed} were missed."
            )
        if not synced.is_complete:
            raise CommandError(
                f"There are more than {missed_events.MAX_LISTED} events. Use fewer --days."
            )
