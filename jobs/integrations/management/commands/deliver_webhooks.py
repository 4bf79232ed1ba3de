"""Provide `manage.py deliver_webhooks`: send webhooks; any number may run at once."""

import asyncio
import logging
import signal
from typing import Any

from django.core.management.base import BaseCommand

from jobs.integrations.webhooks.sender import Sender

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Create the deliveries of events and send them. Stops on SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        asyncio.run(_run_sender())


async def _run_sender() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    logger.info("webhooks started")
    await Sender().run(stop)
    logger.info("webhooks stopped")
