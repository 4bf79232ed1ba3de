"""`manage.py worker steps|cpu`: run a Celery worker for one role's queues."""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from jobs.publishing import cpu_queues, step_queues

ROLES = {"steps": step_queues, "cpu": cpu_queues}


class Command(BaseCommand):
    help = "Run a worker: `steps` for the short steps of all features, `cpu` for CPU engines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", choices=sorted(ROLES))
        parser.add_argument("--concurrency", type=int, default=settings.WORKER_CONCURRENCY)

    def handle(self, *args: Any, role: str, concurrency: int, **options: Any) -> None:
        command = [sys.executable, "-m", "celery", "--app", "auteur", "worker"]
        command += ["--queues", ",".join(ROLES[role]()), "--hostname", f"{role}@%h"]
        command += ["--concurrency", str(concurrency), "--loglevel", settings.LOG_LEVEL]
        command += ["--without-gossip", "--without-mingle"]
        if role == "cpu":
            command.append("--disable-prefetch")
        os.execv(sys.executable, command)  # noqa: S606 - the worker takes this process's place
