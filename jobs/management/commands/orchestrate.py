"""Provide `manage.py orchestrate`: run one orchestrator; 1 to 3 may run at once."""

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from jobs.management.clock import check_clock
from jobs.orchestrator import loop

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Run an orchestrator: admit, wake, repair, retry and fail due jobs. Stops on SIGTERM or "
        "Ctrl-C."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        check_clock()
        logger.info("orchestrator started")
        loop.run(stop)
        logger.info("orchestrator stopped")
