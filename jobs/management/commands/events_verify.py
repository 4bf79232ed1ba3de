"""Provide `manage.py events_verify`: check the event log; exit with 1 if a rule is broken."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from jobs.audit import event_verification as verification
from jobs.audit.ledger_audit import MAX_LISTED_PER_RULE


class Command(BaseCommand):
    help = (
        "Check, as of one instant, that every user's events are numbered without gaps, that "
        "their hashes chain, and that each job has one event of its end. Prints the findings and "
        "exits with 1 if there are any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--limit",
            type=int,
            default=MAX_LISTED_PER_RULE,
            help="number of findings to list for each rule; all are counted (default: %(default)s)",
        )

    def handle(self, *, json: bool, limit: int, **options: Any) -> None:
        report = verification.verify_event_log(limit=limit)
        self.stdout.write(as_json(report) if json else as_text(report))
        if report.findings:
            sys.exit(1)


def as_json(report: verification.Report) -> str:
    """Return one object: ``ok``, the totals, how often each rule is broken, and the findings."""
    return json.dumps({"ok": not report.findings} | asdict(report), cls=DjangoJSONEncoder)


def as_text(report: verification.Report) -> str:
    """Return a line for each finding, and a summary."""
    lines = [
        f"{finding.rule}: user {finding.user_id}, event {finding.seq or 'none'}: "
        f"expected {finding.expected}, found {finding.found}"
        for finding in report.findings
    ]
    lines.append(
        f"Checked {report.events} events of {report.users} users; {report.waiting} wait for their "
        "numbers."
    )
    rules = [f"{name} {number}" for name, number in report.broken.items() if number]
    lines.append(f"OFF: {', '.join(rules)}" if rules else "Nothing is missing.")
    return "\n".join(lines)
