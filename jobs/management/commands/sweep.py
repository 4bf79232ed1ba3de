"""`manage.py sweep`: remove what nobody will use, as the orchestrator does; or only count it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from jobs.orchestrator import sweeping


class Command(BaseCommand):
    help = (
        "Remove what nobody will use: uploads and voices never confirmed, half files, local calls "
        "that ended long ago, objects of attempts without a result. The orchestrator does the same "
        "all along."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be removed, and remove nothing"
        )

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        counts = {sweep.name: sweep.count() for sweep in sweeping.SWEEPS}
        if not dry_run:
            while sweeping.sweep_all():
                pass
        for name, count in counts.items():
            left = 0 if dry_run else next(s.count() for s in sweeping.SWEEPS if s.name == name)
            told = "would be removed" if dry_run else f"found, {left} left"
            self.stdout.write(f"{name}: {count} {told}")
