"""`manage.py edl_verify`: compare projects and timelines; exits with 1 if anything is wrong."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from projects import verification
from projects.verification import Report

MAX_MENDED = 100_000
"""The number of timelines that one run repairs for each rule. Run the command again for more."""


class Command(BaseCommand):
    help = (
        "Compare the projects in PostgreSQL with the timelines (EDL documents) in MongoDB. Find "
        "timelines that are missing, older than before, owned by another user, or without a "
        "project. Prints the findings and exits with 1 if there are any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--limit",
            type=int,
            default=verification.MAX_NAMED,
            help="number of findings to list for each rule; all are counted (default: %(default)s)",
        )
        parser.add_argument(
            "--advance",
            action="store_true",
            help="accept timelines that went back: raise their versions above those that clients "
            "have seen, without changing their content",
        )
        parser.add_argument(
            "--remove-without-project",
            action="store_true",
            help="delete timelines whose projects have no row",
        )

    def handle(
        self,
        *,
        json: bool,
        limit: int,
        advance: bool,
        remove_without_project: bool,
        **options: Any,
    ) -> None:
        if advance or remove_without_project:
            report = verification.verify_timelines(limit=MAX_MENDED)
            if advance:
                count = verification.advance_versions(report)
                self.stdout.write(
                    f"Raised the versions of {count} timelines above those that clients have seen."
                )
            if remove_without_project:
                count = verification.remove_without_project(report)
                self.stdout.write(f"Deleted {count} timelines without a project.")
        report = verification.verify_timelines(limit=limit)
        self.stdout.write(as_json(report) if json else as_text(report))
        if report.total:
            sys.exit(1)


def as_json(report: Report) -> str:
    """Return one object: ``ok``, the totals, how often each rule is broken, and the findings."""
    return json.dumps({"ok": not report.total} | asdict(report), cls=DjangoJSONEncoder)


def as_text(report: Report) -> str:
    """Return a line for each finding, and a summary."""
    lines = [
        f"{finding.rule}: project {finding.project_id}: expected {finding.expected}, "
        f"found {finding.found}"
        for finding in report.findings
    ]
    if hidden := report.total - len(report.findings):
        lines.append(f"… and {hidden} more (raise --limit to list them)")
    lines.append(
        f"Checked {report.projects} projects and {report.documents} timelines "
        f"as of {report.checked_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    rules = [f"{name} {number}" for name, number in report.broken.items() if number]
    lines.append(f"OFF: {', '.join(rules)}" if rules else "Projects and timelines agree.")
    return "\n".join(lines)
