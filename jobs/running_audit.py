"""The running audit: what has moved since the round before, and a slice of all the rest.

One orchestrator makes a round every few minutes (docs/decisions/0047). It audits the accounts that
have moved, from the ledger row on that was read last; the jobs that these rows are about, that
ended, and that are open; and what was found off before. Beside that it reads on through all
accounts and all jobs, so that each row is read again within ``WHOLE``, whatever says that it has
not moved.
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

from auteur.api.problems import DATABASE_OUTAGES
from jobs import cached_figures, ledger_audit, sql
from jobs.ledger_audit import RULES, START, Account, AuditFindings, Finding, as_json
from jobs.models import AuditedAccount, AuditFinding, Job

logger = logging.getLogger(__name__)

NAME = "audit"
EVERY = timedelta(minutes=5)
WHOLE = timedelta(days=1)
TIME_LIMIT = timedelta(minutes=1)
"""For one statement, but for an account that is a page by itself."""
LOST_AFTER = timedelta(minutes=30)
LEAST_ACCOUNTS, LEAST_JOBS = 20, 2_000
"""Of the slice of all, however few there are."""
MOVED_AT_ONCE = 20_000
ROWS_AT_ONCE = 50_000
"""New ledger rows of one round; the rest comes in the next one, but one account always does."""
OPEN_AT_ONCE = 10_000
EVENTS_AT_ONCE = 5_000
FOUND_AT_ONCE = 1_000
"""Jobs off, that are looked at again in each round; and findings that are kept of each rule."""


@dataclass(frozen=True)
class AuditStatus:
    """What is known to be off, and how much there is."""

    checked_at: datetime
    balance: int
    broken: dict[str, int]
    ended: list[tuple[str, str, int]]
    """Jobs that ended, by type and status."""


def read_status() -> AuditStatus | None:
    """What the last round left; None before the first."""
    kept = cached_figures.read_figures(NAME)
    if kept is None:
        return None
    ended = [
        (type_, status, count)
        for type_, statuses in kept.value["ended"].items()
        for status, count in statuses.items()
    ]
    return AuditStatus(kept.found_at, kept.value["balance"], kept.value["broken"], ended)


def audit_books() -> int:
    """A round, if it is time and nobody else makes it; 1 if it was made."""
    return cached_figures.refresh_figures(NAME, _round, every=EVERY, lost_after=LOST_AFTER)


def _round(before: dict[str, Any] | None) -> dict[str, Any]:
    state = before or _beginning()
    _audit_moved(state)
    _audit_slice(state)
    with _instant():
        ((_, _, balance),) = sql.run("audit_totals")
    broken = dict.fromkeys(RULES, 0)
    AuditFinding.objects.exclude(rule__in=RULES).delete()  # of rules that there were once
    for rule in AuditFinding.objects.filter(rule__in=RULES).values_list("rule", flat=True):
        broken[rule] += 1
    if total := sum(broken.values()):
        logger.error("the books are off in %d places: run ledger_verify", total)
    return state | {"balance": int(balance), "broken": broken}


def _beginning() -> dict[str, Any]:
    """How many jobs have ended so far is counted once: from then on the log tells."""
    with _instant(ledger_audit.TIME_LIMIT):
        ((position, counts),) = sql.run("count_ended")
    ended: dict[str, dict[str, int]] = {}
    for one in json.loads(counts):
        ended.setdefault(one["type"], {})[one["status"]] = one["count"]
    return {"position": position, "ended": ended, "account": str(START), "job": str(START)}


@contextmanager
def _instant(limit: timedelta = TIME_LIMIT) -> Iterator[None]:
    with transaction.atomic(durable=True), ledger_audit.consistent_snapshot(limit):
        yield


@contextmanager
def _going_on(page: str) -> Iterator[None]:
    """A page that cannot be read, or takes too long, must not keep the others from being read."""
    try:
        yield
    except DatabaseError as exc:
        is_timeout = isinstance(exc.__cause__, QueryCanceled)
        if isinstance(exc, (*DATABASE_OUTAGES, ProgrammingError)) and not is_timeout:
            raise
        logger.exception("%s cannot be audited", page)


# --- What has moved ---------------------------------------------------------------------------


def _audit_moved(state: dict[str, Any]) -> None:
    job_ids = {*_off(), *_ended(state), *_open(state)}
    for accounts in _moved():
        job_ids.difference_update(_audit_accounts(accounts, with_jobs=True))
    _audit_jobs(sorted(job_ids))


def _moved() -> Iterator[list[Account]]:
    """Accounts in pages, those with fewest new rows first."""
    page: list[Account] = []
    in_page = in_all = 0
    for *columns, rows in sql.run("accounts_to_audit", limit=MOVED_AT_ONCE):
        in_all += rows
        if in_all > rows and in_all > ROWS_AT_ONCE:
            break
        if page and (
            in_page + rows > ledger_audit.ROWS_AT_ONCE or len(page) == ledger_audit.ACCOUNTS_AT_ONCE
        ):
            yield page
            page, in_page = [], 0
        page.append(Account.read(*columns))
        in_page += rows
    if page:
        yield page


def _ended(state: dict[str, Any]) -> set[UUID]:
    """Jobs whose end has got a number since; they are counted, too."""
    job_ids: set[UUID] = set()
    while told := sql.run("ended_since", after=state["position"], limit=EVENTS_AT_ONCE):
        ((state["position"], jobs),) = told
        for job_id, type_, status in json.loads(jobs):
            counts = state["ended"].setdefault(type_, {})
            counts[status] = counts.get(status, 0) + 1
            job_ids.add(UUID(job_id))
    return job_ids


def _open(state: dict[str, Any]) -> list[UUID]:
    """Open jobs, as many as fit a round, and then from the first one on again."""
    rows = sql.run("open_jobs_after", after=state.get("open", str(START)), limit=OPEN_AT_ONCE)
    page = [job_id for (job_id,) in rows]
    state["open"] = str(page[-1] if len(page) == OPEN_AT_ONCE else START)
    return page


def _off() -> list[UUID]:
    """Jobs that were off."""
    of_jobs = AuditFinding.objects.filter(subject_id=F("job_id"))
    return list(of_jobs.values_list("subject_id", flat=True)[:FOUND_AT_ONCE])


# --- All the rest, in the course of a day -----------------------------------------------------


def _audit_slice(state: dict[str, Any]) -> None:
    rounds = WHOLE / EVERY
    left = max(LEAST_ACCOUNTS, int(cached_figures.estimate_rows(get_user_model()) / rounds) + 1)
    while left > 0:
        page, last = ledger_audit.users_after(
            UUID(state["account"]), min(left, ledger_audit.ACCOUNTS_AT_ONCE)
        )
        _audit_accounts([Account(user_id) for user_id in page])
        state["account"] = str(last or START)
        left = left - len(page) if last else 0
    left = max(LEAST_JOBS, int(cached_figures.estimate_rows(Job) / rounds) + 1)
    while left > 0:
        page, last = ledger_audit.jobs_after(
            UUID(state["job"]), min(left, ledger_audit.JOBS_AT_ONCE)
        )
        _audit_jobs(page)
        state["job"] = str(last or START)
        left = left - len(page) if last else 0


# --- Pages, and what is kept of them ----------------------------------------------------------


def _audit_accounts(accounts: Sequence[Account], *, with_jobs: bool = False) -> list[UUID]:
    """Audit a page of them, and the jobs that their ledger rows are about, if asked for.

    Returns these jobs.
    """
    job_ids: list[UUID] = []
    if accounts:
        with _going_on(f"{len(accounts)} accounts from {accounts[0].user_id} on"):
            job_ids = _audit_page(accounts, with_jobs=with_jobs)
    return job_ids


def _audit_page(accounts: Sequence[Account], *, with_jobs: bool) -> list[UUID]:
    found = AuditFindings(FOUND_AT_ONCE)
    job_ids: list[UUID] = []
    with _instant(TIME_LIMIT if len(accounts) > 1 else ledger_audit.TIME_LIMIT):
        audited = [each.account for each in ledger_audit.check_accounts(accounts, found)]
        if with_jobs:
            # Those of an account that was never read come with the slices.
            known = [account for account in accounts if account.seq is not None]
            rows = sql.run("jobs_of_accounts", since=as_json(known))
            job_ids = [job_id for (job_id,) in rows]
    if len(accounts) > 1 and not found.all_named:  # which of them are off is seen one by one
        return [
            job_id
            for account in accounts
            for job_id in _audit_accounts([account], with_jobs=with_jobs)
        ]
    _audit_jobs(job_ids)  # before it is noted that their rows have been read
    off = {finding.user_id for finding in found.findings if finding.user_id}
    with transaction.atomic():
        _replace([account.user_id for account in audited], found.findings, "user_id")
        # Those that are off are read from their beginning, until they are in order.
        AuditedAccount.objects.filter(user_id__in=off).delete()
        in_order = [
            account for account in audited if account.user_id not in off and account.seq is not None
        ]
        sql.run("note_audited", audited=as_json(in_order))
    return job_ids


def _audit_jobs(job_ids: Sequence[UUID]) -> None:
    for first in range(0, len(job_ids), ledger_audit.JOBS_AT_ONCE):
        page = job_ids[first : first + ledger_audit.JOBS_AT_ONCE]
        found = AuditFindings(FOUND_AT_ONCE)
        with _going_on(f"{len(page)} jobs from {page[0]} on"):
            with _instant():
                ledger_audit.check_jobs(page, found)
            with transaction.atomic():
                _replace(page, found.findings, "job_id")


def _replace(subjects: Sequence[UUID], findings: Sequence[Finding], subject: str) -> None:
    """What was off of these accounts or jobs is what is off of them now."""
    AuditFinding.objects.filter(subject_id__in=subjects).delete()
    AuditFinding.objects.bulk_create(
        AuditFinding(subject_id=getattr(finding, subject), **asdict(finding))
        for finding in findings
    )
