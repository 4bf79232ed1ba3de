"""Audit the books continuously: recent changes in each round, and a slice of everything else.

One orchestrator makes a round every few minutes (docs/decisions/0047). It audits the accounts that
have changed, from the ledger row after the last one read; the jobs of these rows, ended jobs and
open jobs; and earlier findings. It also reads on through all accounts and all jobs, so that each
row is read again within ``FULL_PERIOD``, even if nothing says that it has changed.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import DatabaseError, ProgrammingError, transaction
from django.db.models import F
from psycopg.errors import QueryCanceled

from auteur.core.api.problems import DATABASE_OUTAGES
from jobs import cached_figures, sql
from jobs.audit import ledger_audit
from jobs.audit.ledger_audit import RULES, START, Account, AuditFindings, Finding, as_json
from jobs.models import AuditedAccount, AuditFinding, Job

logger = logging.getLogger(__name__)

NAME = "audit"
INTERVAL = timedelta(minutes=5)
FULL_PERIOD = timedelta(days=1)
TIME_LIMIT = timedelta(minutes=1)
"""Time limit of one statement, unless an account is a page by itself."""
LOST_AFTER = timedelta(minutes=30)
MIN_ACCOUNTS, MIN_JOBS = 20, 2_000
"""The smallest slice of a round."""
MAX_CHANGED_ACCOUNTS = 20_000
MAX_NEW_ROWS = 50_000
"""New ledger rows of one round; further ones come in the next. One account always fits."""
MAX_OPEN_JOBS = 10_000
MAX_EVENTS = 5_000
MAX_STORED_FINDINGS = 1_000
"""Jobs with findings that each round checks again; and stored findings of each rule."""


@dataclass(frozen=True)
class AuditStatus:
    """The findings of the last round, and the totals."""

    checked_at: datetime
    balance: int
    broken: dict[str, int]
    ended: list[tuple[str, str, int]]
    """Jobs that ended, by type and status."""


def read_status() -> AuditStatus | None:
    """Return the status after the last round; None before the first."""
    figures = cached_figures.read_figures(NAME)
    if figures is None:
        return None
    end_counts = [
        (type_, status, count)
        for type_, statuses in figures.value["ended"].items()
        for status, count in statuses.items()
    ]
    return AuditStatus(
        figures.found_at, figures.value["balance"], figures.value["broken"], end_counts
    )


def audit_books() -> int:
    """Make a round, if it is due and no other process makes it; return 1 if it was made."""
    return cached_figures.refresh_figures(NAME, _make_round, every=INTERVAL, lost_after=LOST_AFTER)


def _make_round(previous: dict[str, Any] | None) -> dict[str, Any]:
    state = previous or _build_initial_state()
    _audit_changes(state)
    _audit_slice(state)
    with _instant():
        ((_, _, balance),) = sql.run("audit_totals")
    broken = dict.fromkeys(RULES, 0)
    AuditFinding.objects.exclude(rule__in=RULES).delete()  # Rules that no longer exist.
    for rule in AuditFinding.objects.filter(rule__in=RULES).values_list("rule", flat=True):
        broken[rule] += 1
    if total := sum(broken.values()):
        logger.error("the books are off in %d places: run ledger_verify", total)
    return state | {"balance": int(balance), "broken": broken}


def _build_initial_state() -> dict[str, Any]:
    """Count the ended jobs once; later rounds count them by the event log."""
    with _instant(ledger_audit.TIME_LIMIT):
        ((position, counts),) = sql.run("count_ended")
    end_counts: dict[str, dict[str, int]] = {}
    for entry in json.loads(counts):
        end_counts.setdefault(entry["type"], {})[entry["status"]] = entry["count"]
    return {"position": position, "ended": end_counts, "account": str(START), "job": str(START)}


@contextmanager
def _instant(limit: timedelta = TIME_LIMIT) -> Iterator[None]:
    with transaction.atomic(durable=True), ledger_audit.consistent_snapshot(limit):
        yield


@contextmanager
def _log_failed_page(page: str) -> Iterator[None]:
    """Log a page that cannot be read, or takes too long; the audit continues with the others."""
    try:
        yield
    except DatabaseError as exc:
        is_timeout = isinstance(exc.__cause__, QueryCanceled)
        if isinstance(exc, (*DATABASE_OUTAGES, ProgrammingError)) and not is_timeout:
            raise
        logger.exception("%s cannot be audited", page)


# --- Recent changes ---------------------------------------------------------------------------


def _audit_changes(state: dict[str, Any]) -> None:
    job_ids = {*_list_jobs_with_findings(), *_list_ended_jobs(state), *_list_open_jobs(state)}
    for accounts in _iterate_changed_accounts():
        job_ids.difference_update(_audit_accounts(accounts, with_jobs=True))
    _audit_jobs(sorted(job_ids))


def _iterate_changed_accounts() -> Iterator[list[Account]]:
    """Yield the changed accounts in pages, those with the fewest new rows first."""
    page: list[Account] = []
    page_rows = total_rows = 0
    for *columns, rows in sql.run("accounts_to_audit", limit=MAX_CHANGED_ACCOUNTS):
        total_rows += rows
        if total_rows > rows and total_rows > MAX_NEW_ROWS:
            break
        if page and (
            page_rows + rows > ledger_audit.ROWS_PER_PAGE
            or len(page) == ledger_audit.ACCOUNTS_PER_PAGE
        ):
            yield page
            page, page_rows = [], 0
        page.append(Account.read(*columns))
        page_rows += rows
    if page:
        yield page


def _list_ended_jobs(state: dict[str, Any]) -> set[UUID]:
    """List the jobs whose end was numbered since the last round, and count them."""
    job_ids: set[UUID] = set()
    while pages := sql.run("ended_since", after=state["position"], limit=MAX_EVENTS):
        ((state["position"], jobs),) = pages
        for job_id, type_, status in json.loads(jobs):
            counts = state["ended"].setdefault(type_, {})
            counts[status] = counts.get(status, 0) + 1
            job_ids.add(UUID(job_id))
    return job_ids


def _list_open_jobs(state: dict[str, Any]) -> list[UUID]:
    """List open jobs, as many as fit a round; after the last one, begin again with the first."""
    rows = sql.run("open_jobs_after", after=state.get("open", str(START)), limit=MAX_OPEN_JOBS)
    page = [job_id for (job_id,) in rows]
    state["open"] = str(page[-1] if len(page) == MAX_OPEN_JOBS else START)
    return page


def _list_jobs_with_findings() -> list[UUID]:
    """List the jobs that have findings."""
    findings = AuditFinding.objects.filter(subject_id=F("job_id"))
    return list(findings.values_list("subject_id", flat=True)[:MAX_STORED_FINDINGS])


# --- Everything else, within a day ------------------------------------------------------------


def _audit_slice(state: dict[str, Any]) -> None:
    rounds = FULL_PERIOD / INTERVAL
    remaining = max(MIN_ACCOUNTS, int(cached_figures.estimate_rows(get_user_model()) / rounds) + 1)
    while remaining > 0:
        page, last = ledger_audit.list_users_after(
            UUID(state["account"]), min(remaining, ledger_audit.ACCOUNTS_PER_PAGE)
        )
        _audit_accounts([Account(user_id) for user_id in page])
        state["account"] = str(last or START)
        remaining = remaining - len(page) if last else 0
    remaining = max(MIN_JOBS, int(cached_figures.estimate_rows(Job) / rounds) + 1)
    while remaining > 0:
        page, last = ledger_audit.list_jobs_after(
            UUID(state["job"]), min(remaining, ledger_audit.JOBS_PER_PAGE)
        )
        _audit_jobs(page)
        state["job"] = str(last or START)
        remaining = remaining - len(page) if last else 0


# --- Pages, and their stored results ----------------------------------------------------------


def _audit_accounts(accounts: Sequence[Account], *, with_jobs: bool = False) -> list[UUID]:
    """Audit a page of accounts, with ``with_jobs`` also the jobs of their ledger rows.

    Return these jobs.
    """
    job_ids: list[UUID] = []
    if accounts:
        with _log_failed_page(f"{len(accounts)} accounts from {accounts[0].user_id} on"):
            job_ids = _audit_page(accounts, with_jobs=with_jobs)
    return job_ids


def _audit_page(accounts: Sequence[Account], *, with_jobs: bool) -> list[UUID]:
    results = AuditFindings(MAX_STORED_FINDINGS)
    job_ids: list[UUID] = []
    with _instant(TIME_LIMIT if len(accounts) > 1 else ledger_audit.TIME_LIMIT):
        audited_accounts = [
            entry.account for entry in ledger_audit.check_accounts(accounts, results)
        ]
        if with_jobs:
            # Jobs of an account that was never audited come with the slices.
            audited_before = [account for account in accounts if account.seq is not None]
            rows = sql.run("jobs_of_accounts", since=as_json(audited_before))
            job_ids = [job_id for (job_id,) in rows]
    if len(accounts) > 1 and not results.all_named:  # Find the failing accounts one by one.
        return [
            job_id
            for account in accounts
            for job_id in _audit_accounts([account], with_jobs=with_jobs)
        ]
    _audit_jobs(job_ids)  # This must precede storing that their rows have been read.
    failed_ids = {finding.user_id for finding in results.findings if finding.user_id}
    with transaction.atomic():
        _replace_findings(
            [account.user_id for account in audited_accounts], results.findings, "user_id"
        )
        # Failing accounts are read from their beginning, until they are in order.
        AuditedAccount.objects.filter(user_id__in=failed_ids).delete()
        in_order = [
            account
            for account in audited_accounts
            if account.user_id not in failed_ids and account.seq is not None
        ]
        sql.run("note_audited", audited=as_json(in_order))
    return job_ids


def _audit_jobs(job_ids: Sequence[UUID]) -> None:
    for start in range(0, len(job_ids), ledger_audit.JOBS_PER_PAGE):
        page = job_ids[start : start + ledger_audit.JOBS_PER_PAGE]
        results = AuditFindings(MAX_STORED_FINDINGS)
        with _log_failed_page(f"{len(page)} jobs from {page[0]} on"):
            with _instant():
                ledger_audit.check_jobs(page, results)
            with transaction.atomic():
                _replace_findings(page, results.findings, "job_id")


def _replace_findings(subjects: Sequence[UUID], findings: Sequence[Finding], subject: str) -> None:
    """Replace the stored findings of these accounts or jobs."""
    AuditFinding.objects.filter(subject_id__in=subjects).delete()
    AuditFinding.objects.bulk_create(
        AuditFinding(subject_id=getattr(finding, subject), **asdict(finding))
        for finding in findings
    )
