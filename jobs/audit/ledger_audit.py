"""Audit the ledger: check, page by page, that every credit and every job add up.

Constraints and triggers enforce most rules as well; the audit checks that nothing got around them.
The conditions are the statements `audit_…` of `jobs.queries.sql`.

`verify_ledger` reads everything; `jobs.audit.running_audit` continuously reads recent changes.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection, transaction

from jobs import sql
from jobs.models import Job

MAX_LISTED_PER_RULE = 100
"""Findings that a report lists for each rule; all are counted."""
TIME_LIMIT = timedelta(minutes=30)
"""Time limit of one statement, for a check without a waiting user."""
ACCOUNTS_PER_PAGE = 500
ROWS_PER_PAGE = 50_000
"""Ledger rows of the accounts of one page, unless a single account has more."""
JOBS_PER_PAGE = 2_000
ACCOUNT_STATEMENTS = ("audit_accounts", "audit_ledger_rows", "audit_grants")
JOB_STATEMENTS = ("audit_jobs", "audit_attempts")
START = UUID(int=0)

RULES: Mapping[str, str] = {
    "account_exists": "Every user with ledger rows has an account.",
    "balance_is_the_sum": "The balance is the sum of the account's ledger rows.",
    "seq_has_no_gaps": "An account's ledger rows are numbered 1, 2, 3 …",
    "seq_is_the_last": "The last number of an account is that of its last ledger row.",
    "balance_after_chains": "The balance of each ledger row is the previous balance plus its "
    "amount.",
    "open_grants_make_the_balance": "The remaining credits of an account's open grants are its "
    "balance.",
    "parts_make_the_amount": "The movements of a ledger row in grants are its amount.",
    "grants_are_what_rows_moved": "The remaining credits of a grant are its amount, less what "
    "was spent, expired or revoked, plus what was returned.",
    "grants_are_what_was_given": "The first ledger row of a grant adds its amount.",
    "open_grants_are_the_owners": "The open grants of an account belong to its user, and have "
    "the values of the grants.",
    "open_grants_burn_in_order": "Open grants are in the order of priority, expiry and age.",
    "charged_once": "A job with a price has one usage row, any other job has none.",
    "usage_is_the_price": "The usage row takes the price of the job.",
    "money_is_the_owners": "The ledger rows of a job belong to its user.",
    "refunded_once": "A job has at most one refund row.",
    "refund_within_usage": "The refund is at most the charge.",
    "open_is_not_refunded": "A job is not refunded before it ends.",
    "unsuccessful_is_refunded": "A failed or cancelled job is fully refunded, except a begun one "
    "beyond the free ends.",
    "kept_is_cancelled": "If the price is kept, beyond the free ends of begun jobs, nothing is "
    "refunded, and the job was cancelled or its input was invalid.",
    "grace_is_for_our_failures": "Expired credits return with a grace period only for a job that "
    "its user did not end, and only if they had none before.",
    "completed_is_paid": "A completed job is not fully refunded.",
    "refund_is_told": "A job is marked as refunded exactly if it was.",
    "open_jobs_wake": "A job has a wake_at exactly while it is open.",
    "living_attempts_are_wanted": "An attempt is open exactly while it is the current one of an "
    "open job.",
    "key_spending_is_the_sum": "The spending of an API key is the price of its jobs, less refunds.",
}
"""The rules by the name under which the statements report violations."""


@dataclass(frozen=True)
class Finding:
    """One violation of a rule."""

    rule: str
    user_id: UUID | None
    """None for an API key that no job names."""
    job_id: UUID | None
    expected: str
    found: str


@dataclass(frozen=True)
class Report:
    """The result of an audit: what was checked, and which rules are broken."""

    checked_at: datetime
    accounts: int
    transactions: int
    jobs: int
    balance: int
    """The sum over all accounts."""
    broken: Mapping[str, int]
    """Number of findings of each rule; every rule is listed."""
    findings: tuple[Finding, ...]
    """At most ``limit`` of each rule."""

    @property
    def total(self) -> int:
        """Return how many findings there are, listed or not."""
        return sum(self.broken.values())


@dataclass(frozen=True)
class Account:
    """How far an account was audited before; nulls mean that it never was."""

    user_id: UUID
    seq: int | None = None
    balance: int | None = None
    remaining: Mapping[str, int] | None = None
    """Remaining credits of each open grant, by its id."""
    last_grant: int | None = None
    spent: Mapping[str, int] | None = None
    """Credits spent by each API key, by its id."""

    @classmethod
    def read(cls, *columns: Any) -> "Account":
        """Build an account from a row of a statement, which has JSON as text."""
        user_id, seq, balance, remaining, last_grant, spent = columns
        json_values = [None if text is None else json.loads(text) for text in (remaining, spent)]
        return cls(user_id, seq, balance, json_values[0], last_grant, json_values[1])


@dataclass
class AuditFindings:
    """The findings of audits so far: all are counted, ``limit`` of each rule are listed."""

    limit: int
    broken: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    @property
    def all_named(self) -> bool:
        """Return True if every finding is listed, and none is only counted."""
        return self.broken.total() == len(self.findings)

    def ask(self, audit: str, **values: Any) -> None:
        """Run one of the statements, and add its findings."""
        rows = sql.run(audit, limit=self.limit, **values)
        listed = Counter(finding.rule for finding in self.findings)
        for *columns, _ in rows:
            finding = Finding(*columns)
            if listed[finding.rule] < self.limit:
                self.findings.append(finding)
                listed[finding.rule] += 1
        self.broken.update({rule: total for rule, *_, total in rows})


Instant = Callable[[], AbstractContextManager[Any]]
"""The transaction in which a page is read."""


def verify_ledger(
    *,
    limit: int = MAX_LISTED_PER_RULE,
    time_limit: timedelta = TIME_LIMIT,
    within: timedelta | None = None,
) -> Report:
    """Check everything, each page as of one instant; must not be called in a transaction.

    ``time_limit`` bounds one statement, ``within`` the whole; raises ``TimeoutError``.
    """
    end = None if within is None else time.monotonic() + within.total_seconds()

    @contextmanager
    def instant() -> Iterator[None]:
        if end is not None and time.monotonic() > end:
            raise TimeoutError
        with transaction.atomic(durable=True), consistent_snapshot(time_limit):
            yield

    return check(limit=limit, instant=instant)


@contextmanager
def consistent_snapshot(time_limit: timedelta) -> Iterator[None]:
    """Make the transaction, which has run no query yet, read-only and as of one instant."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        milliseconds = str(int(time_limit / timedelta(milliseconds=1)))
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [milliseconds])
    yield


def check(*, limit: int = MAX_LISTED_PER_RULE, instant: Instant = nullcontext) -> Report:
    """Check everything, each page in an ``instant``, or all in the current transaction."""
    results = AuditFindings(limit)
    transactions = jobs = 0
    with instant():
        ((checked_at, accounts, balance),) = sql.run("audit_totals")
        # Keys that begin to spend later are left out: their users may have been read by then.
        unread_key_ids = {key_id for (key_id,) in sql.run("keys_that_spent")}
    after: UUID | None = START
    while after is not None:
        with instant():
            page, after = list_users_after(after)
            for audited_account in check_accounts([Account(user_id) for user_id in page], results):
                unread_key_ids.difference_update(map(UUID, audited_account.account.spent or ()))
                transactions += audited_account.rows
    after = START
    while after is not None:
        with instant():
            job_ids, after = list_jobs_after(after)
            check_jobs(job_ids, results)
            jobs += len(job_ids)
    with instant():
        results.ask("audit_other_keys", key_ids=list(unread_key_ids))
    return Report(
        checked_at=checked_at,
        accounts=accounts,
        transactions=transactions,
        jobs=jobs,
        balance=int(balance),
        broken=dict.fromkeys(RULES, 0) | results.broken,
        findings=tuple(results.findings),
    )


@dataclass(frozen=True)
class AccountAudit:
    """An account as it is now, with how many ledger rows were read."""

    account: Account
    rows: int


def check_accounts(accounts: Sequence[Account], results: AuditFindings) -> list[AccountAudit]:
    """Audit accounts from where they were audited before.

    The caller's transaction sees one instant. A user without an account has no ``seq`` afterwards.
    """
    since = as_json(accounts)
    for audit in ACCOUNT_STATEMENTS:
        results.ask(audit, since=since)
    audited_accounts = [
        AccountAudit(Account.read(*row[:-1]), row[-1]) for row in sql.run("audited", since=since)
    ]
    results.ask("audit_keys", audited=as_json([entry.account for entry in audited_accounts]))
    return audited_accounts


def as_json(accounts: Sequence[Account]) -> str:
    """Return the accounts as the statements take them."""
    return json.dumps([asdict(account) for account in accounts], default=str)


def check_jobs(job_ids: Sequence[UUID], results: AuditFindings) -> None:
    """Audit jobs and their attempts."""
    for audit in JOB_STATEMENTS:
        results.ask(audit, job_ids=list(job_ids))


def list_users_after(after: UUID, limit: int = ACCOUNTS_PER_PAGE) -> tuple[list[UUID], UUID | None]:
    """Return the next users by their ids, with or without an account, and the last of them.

    The last is None if none follow. They have ``ROWS_PER_PAGE`` ledger rows at most, or there is
    only one user.
    """
    users = get_user_model()._default_manager.filter(pk__gt=after).order_by("pk")
    page: list[UUID] = []
    rows = 0
    for user_id, seq in users.values_list("pk", "credits__seq")[:limit]:
        rows += seq or 0
        if page and rows > ROWS_PER_PAGE:
            break
        page.append(user_id)
    return page, page[-1] if page else None


def list_jobs_after(after: UUID, limit: int = JOBS_PER_PAGE) -> tuple[list[UUID], UUID | None]:
    """Return the next jobs by their ids, and the last of them, or None if none follow."""
    following = Job.objects.filter(pk__gt=after).order_by("pk")
    page = list(following.values_list("pk", flat=True)[:limit])
    return page, page[-1] if page else None
