"""Provide `manage.py partner_consumer`: serve partners; any number may run at once."""

import logging
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.integrations.partners.consumer import Consumers
from jobs.integrations.partners.models import Partner
from jobs.management.clock import check_clock

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Read the messages of partners, process them and answer. Stops on SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--partner", help="the name of the only partner to serve")

    def handle(self, *args: Any, partner: str | None, **options: Any) -> None:
        if partner is not None and not Partner.objects.filter(name=partner).exists():
            raise CommandError(
                f"There is no partner {partner!r}. `manage.py partners list` shows all."
            )
        consumers = Consumers(partner)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: consumers.stop())
        check_clock()
        logger.info("partners started")
        consumers.run()
        logger.info("partners stopped")
