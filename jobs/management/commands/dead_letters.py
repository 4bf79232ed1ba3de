"""Provide `manage.py dead_letters`: show the messages that no worker could read."""

from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError, CommandParser

from auteur import dead_letters


class Command(BaseCommand):
    help = (
        "Show the messages of Celery's queues that no worker could read, newest first. They are "
        "not needed: the wake-ups that they carried are sent again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--clear", action="store_true", help="Delete them after they are shown."
        )

    def handle(self, *args: Any, clear: bool, **options: Any) -> None:
        try:
            letters = dead_letters.list_dead_letters()
            if clear:
                dead_letters.delete_dead_letters()
        except redis.RedisError as exc:
            raise CommandError(f"Redis (REDIS_URL) does not answer: {type(exc).__name__}") from exc
        for letter in letters:
            self.stdout.write(
                f"{letter.at:%Y-%m-%d %H:%M:%S} {letter.queue} {letter.defect} "
                f"{letter.size_bytes} bytes: {letter.content!r}"
            )
        self.stdout.write(f"{len(letters)} messages{', deleted' if clear else ''}")
