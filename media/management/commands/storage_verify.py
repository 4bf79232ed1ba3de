"""Compare rows and objects, and exit with 1 if they differ: `manage.py storage_verify`."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from media import verification


class Command(BaseCommand):
    help = (
        "Compare the database with the storage: objects without rows, rows without objects, and "
        "sizes that differ. Prints the differences and exits with 1 if there are any. `manage.py "
        "sweep` removes objects without rows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--limit",
            type=int,
            default=verification.DEFAULT_LIMIT,
            help="number of findings to list; all are counted (default: %(default)s)",
        )

    def handle(self, *, json: bool, limit: int, **options: Any) -> None:
        report = verification.verify_storage(limit=limit)
        self.stdout.write(as_json(report) if json else as_text(report))
        if report.total:
            sys.exit(1)


def as_json(report: verification.Report) -> str:
    return json.dumps({"ok": not report.total} | asdict(report), cls=DjangoJSONEncoder)


def as_text(report: verification.Report) -> str:
    lines = [_format_finding(finding) for finding in report.findings]
    if hidden := report.total - len(report.findings):
        lines.append(f"… and {hidden} more (raise --limit to list them)")
    lines.append(
        f"Checked {report.objects} objects ({report.size_bytes} bytes) "
        f"as of {report.checked_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    rules = [
        f"{number} × {verification.RULES[rule]}" for rule, number in report.broken.items() if number
    ]
    lines.append("OFF: " + "; ".join(rules) if rules else "The database and the storage agree.")
    return "\n".join(lines)


def _format_finding(finding: verification.Finding) -> str:
    sizes = [
        f"{word} {size} bytes"
        for word, size in (("expected", finding.expected), ("found", finding.found))
        if size is not None
    ]
    return ": ".join([finding.rule, finding.key, *filter(None, [", ".join(sizes)])])
