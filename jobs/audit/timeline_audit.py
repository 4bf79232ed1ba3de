"""Audit timelines continuously: a slice of all projects in each round, all within a day.

One orchestrator makes a round every few minutes, as in `jobs.audit.running_audit`. Each round
checks earlier findings again.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from auteur.core.api.problems import DATABASE_OUTAGES, OUTAGES
from jobs import cached_figures
from projects import verification
from projects.models import Project
from projects.verification import RULES, START, Report

logger = logging.getLogger(__name__)

NAME = "timelines"
INTERVAL = timedelta(minutes=5)
FULL_PERIOD = timedelta(days=1)
LOST_AFTER = timedelta(minutes=30)
MIN_PROJECTS = 1_000
"""The smallest number of projects of a round."""
MAX_STORED_FINDINGS = 1_000
"""Stored findings of each rule, from one round to the next."""


@dataclass(frozen=True)
class TimelineAuditStatus:
    """The result of the last round."""

    checked_at: datetime
    broken: dict[str, int]


def read_status() -> TimelineAuditStatus | None:
    """Return the result of the last round; None before the first."""
    figures = cached_figures.read_figures(NAME)
    return (
        None if figures is None else TimelineAuditStatus(figures.found_at, figures.value["broken"])
    )


def audit_timelines() -> int:
    """Make a round, if it is due and no other process makes it; return 1 if it was made."""
    try:
        return cached_figures.refresh_figures(
            NAME, _make_round, every=INTERVAL, lost_after=LOST_AFTER
        )
    except OUTAGES as exc:
        if isinstance(exc, DATABASE_OUTAGES):
            raise
        logger.warning("timelines cannot be audited: %s", type(exc).__name__)
        return 0


def _make_round(previous: dict[str, Any] | None) -> dict[str, Any]:
    state = previous or {"after": str(START), "findings": []}
    report = Report(limit=MAX_STORED_FINDINGS)
    project_ids = [UUID(name) for _, name in state["findings"] if verification.is_id(name)]
    verification.check_projects(project_ids, report)
    after = UUID(state["after"])
    remaining = max(
        MIN_PROJECTS, int(cached_figures.estimate_rows(Project) * (INTERVAL / FULL_PERIOD)) + 1
    )
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
