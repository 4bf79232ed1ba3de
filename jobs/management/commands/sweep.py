"""Provide `manage.py sweep`: delete unused rows and objects, or only count them."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from jobs.retention import sweeping
from media import orphans


class Command(BaseCommand):
    help = (
        "Delete unused data: uploads and voices that were never confirmed, unfinished uploads, "
        "old local calls, and objects without rows. The orchestrator does the same continuously."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="count what would be deleted, and delete nothing"
        )

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        counts = {sweep.name: _count_rows(sweep) for sweep in sweeping.SWEEPS}
        orphan_counts = orphans.count_orphans()
        if not dry_run:
            while sweeping.sweep_all():
                pass
            orphans.delete_all_orphans()
        for sweep in sweeping.SWEEPS:
            self._print_result(
                sweep.name, counts[sweep.name], None if dry_run else _count_rows(sweep)
            )
            if sweep.name == sweeping.ORPHANS:
                for folder, tally in sorted(orphan_counts.items()):
                    self.stdout.write(
                        f"  users/*/{folder}/: {tally.count}, {tally.size_bytes} bytes"
                    )

    def _print_result(self, name: str, count: int | None, remaining: int | None) -> None:
        if count is None:
            self.stdout.write(f"{name}: not counted, because counting would read all rows")
            return
        result = "would be removed" if remaining is None else f"found, {remaining} left"
        self.stdout.write(f"{name}: {count} {result}")


def _count_rows(sweep: sweeping.Sweep) -> int | None:
    return sweep.count() if sweep.count is not None else None
