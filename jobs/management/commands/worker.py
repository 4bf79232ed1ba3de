"""`manage.py worker steps|cpu`: run a Celery worker for one role's queues."""

from typing import Any

from celery import current_app
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
        command = ["worker", "--queues", ",".join(ROLES[role]()), "--hostname", f"{role}@%h"]
        command += ["--concurrency", str(concurrency), "--loglevel", settings.LOG_LEVEL]
        command += ["--without-gossip", "--without-mingle"]
        if role == "cpu":
            command.append("--disable-prefetch")
        current_app.worker_main(command)
