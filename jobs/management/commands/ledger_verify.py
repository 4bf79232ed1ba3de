"""Provide `manage.py ledger_verify`: check the ledger; exit with 1 if a rule is broken."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from jobs.audit import ledger_audit


class Command(BaseCommand):
    help = (
        "Check, as of one instant, that every account, ledger row, job and attempt adds up. "
        "Prints the findings and exits with 1 if there are any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--limit",
            type=int,
            default=ledger_audit.MAX_LISTED_PER_RULE,
            help="number of findings to list for each rule; all are counted (default: %(default)s)",
        )

    def handle(self, *, json: bool, limit: int, **options: Any) -> None:
        report = ledger_audit.verify_ledger(limit=limit)
        self.stdout.write(as_json(report) if json else as_text(report))
        if report.total:
            sys.exit(1)


def as_json(report: ledger_audit.Report) -> str:
    """Return one object: ``ok``, the totals, how often each rule is broken, and the findings."""
    return json.dumps({"ok": not report.total} | asdict(report), cls=DjangoJSONEncoder)


def as_text(report: ledger_audit.Report) -> str:
    """Return a line for each finding, and a summary."""
    lines = [
        f"{finding.rule}: {_format_subject(finding)}: "
        f"expected {finding.expected}, found {finding.found}"
        for finding in report.findings
    ]
    if hidden_count := report.total - len(report.findings):
        lines.append(f"… and {hidden_count} more (raise --limit to list them)")
    lines.append(
        f"Checked {report.accounts} accounts ({report.balance} credits), "
        f"{report.transactions} ledger rows and {report.jobs} jobs "
        f"as of {report.checked_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    rules = [f"{name} {number}" for name, number in report.broken.items() if number]
    lines.append(f"OFF: {', '.join(rules)}" if rules else "Everything adds up.")
    return "\n".join(lines)


def _format_subject(finding: ledger_audit.Finding) -> str:
    account = f"account of {finding.user_id}"
    return f"{account}, job {finding.job_id}" if finding.job_id else account
