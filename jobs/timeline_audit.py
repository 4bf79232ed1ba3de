"""The running audit of timelines: a slice of all projects in each round, all within a day.

One orchestrator makes a round every few minutes, as with `jobs.running_audit`. What was wrong
before is looked at again in each round.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from auteur.api.problems import DATABASE_OUTAGES, OUTAGES
from jobs import cached_figures
from projects import verification
from projects.models import Project
from projects.verification import RULES, START, Report

logger = logging.getLogger(__name__)

NAME = "timelines"
EVERY = timedelta(minutes=5)
WHOLE = timedelta(days=1)
LOST_AFTER = timedelta(minutes=30)
MIN_PROJECTS = 1_000
"""Of one round, however few there are."""
MAX_KNOWN = 1_000
"""Findings of each rule that are kept from one round to the next."""


@dataclass(frozen=True)
class TimelineAuditStatus:
    """What the last round left."""

    checked_at: datetime
    broken: dict[str, int]


def read_status() -> TimelineAuditStatus | None:
    """Return what the last round left; None before the first."""
    kept = cached_figures.read_figures(NAME)
    return None if kept is None else TimelineAuditStatus(kept.found_at, kept.value["broken"])


def audit_timelines() -> int:
    """Make a round, if it is time and nobody else makes it; return 1 if it was made."""
    try:
        return cached_figures.refresh_figures(NAME, _round, every=EVERY, lost_after=LOST_AFTER)
    except OUTAGES as exc:
        if isinstance(exc, DATABASE_OUTAGES):
            raise
        logger.warning("timelines cannot be audited: %s", type(exc).__name__)
        return 0


def _round(before: dict[str, Any] | None) -> dict[str, Any]:
    state = before or {"after": str(START), "findings": []}
    report = Report(limit=MAX_KNOWN)
    known = [UUID(name) for _, name in state["findings"] if verification.is_id(name)]
    verification.check_projects(known, report)
    after = UUID(state["after"])
    remaining = max(MIN_PROJECTS, int(cached_figures.estimate_rows(Project) * (EVERY / WHOLE)) + 1)
    while remaining > 0:
        last = verification.check_page(after, report)
        remaining = remaining - verification.PROJECTS_PER_PAGE if last else 0
        after = last or START
    findings = sorted({(finding.rule, finding.project_id) for finding in report.findings})
    broken = dict.fromkeys(RULES, 0)
    for rule, _ in findings:
        broken[rule] += 1
    if findings:
        logger.error("%d timelines are off: run edl_verify", len(findings))
    return {"after": str(after), "findings": findings, "broken": broken}
