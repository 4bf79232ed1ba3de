"""The ledger audit: whether every credit and every job add up, asked of the database as a whole.

Most rules are kept by constraints and triggers as well: what is checked here is that nobody and
nothing got around them. Their conditions are the statements `audit_…` of `jobs.queries.sql`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from jobs import sql

SHOWN_PER_RULE = 100
"""Findings that a report names of each rule; all are counted."""
TIME_LIMIT = timedelta(minutes=30)
"""For one statement of a check that nobody waits for."""
AUDITS = (
    "audit_accounts",
    "audit_ledger_rows",
    "audit_grants",
    "audit_jobs",
    "audit_attempts",
    "audit_keys",
)

RULES: Mapping[str, str] = {
    "account_exists": "Who has ledger rows has an account.",
    "balance_is_the_sum": "The balance is the sum of the account's ledger rows.",
    "seq_has_no_gaps": "An account's ledger rows are numbered 1, 2, 3 …",
    "seq_is_the_last": "The account has counted as far as its ledger rows go.",
    "balance_after_chains": "Each ledger row's balance is the one before it and its amount.",
    "open_grants_make_the_balance": "What remains of an account's open grants is its balance.",
    "parts_make_the_amount": "What a ledger row moved in grants is its amount.",
    "grants_are_what_rows_moved": "What remains of a grant is what was given, less what was drawn, "
    "expired or taken back, and what came back.",
    "grants_are_what_was_given": "The first ledger row of a grant has given its amount.",
    "open_grants_are_the_owners": "An account's open grants are its user's, as they were given.",
    "open_grants_burn_in_order": "Open grants lie in the order of priority, expiry and age.",
    "charged_once": "A job that costs something has one usage row, any other has none.",
    "usage_is_the_price": "The usage row took what the job costs.",
    "money_is_the_owners": "A job's ledger rows are its user's.",
    "refunded_once": "A job has at most one refund row.",
    "refund_within_usage": "What came back is at most what was taken.",
    "open_is_not_refunded": "A job is not refunded before it ends.",
    "unsuccessful_is_refunded": "All credits of a failed or cancelled job came back, but for a "
    "user's cancel beyond the free ones.",
    "kept_is_cancelled": "Of a cancel beyond the free ones nothing came back, and it is one.",
    "completed_is_paid": "Of a completed job's credits not all came back.",
    "refund_is_told": "A job says that it was refunded exactly if it was.",
    "open_jobs_wake": "A job will be looked at again exactly while it is open.",
    "living_attempts_are_wanted": "An attempt has not ended exactly while it is the current one of "
    "an open job.",
    "key_spending_is_the_sum": "An API key has spent what its jobs cost, less what came back.",
}
"""What must hold, by the name under which the statements find what does not."""


@dataclass(frozen=True)
class Finding:
    """One thing that is off."""

    rule: str
    user_id: UUID
    job_id: UUID | None
    expected: str
    found: str


@dataclass(frozen=True)
class Report:
    """What was checked, and what is off."""

    checked_at: datetime
    accounts: int
    transactions: int
    jobs: int
    balance: int
    """The sum over all accounts."""
    broken: Mapping[str, int]
    """Findings of each rule; every rule is named."""
    findings: tuple[Finding, ...]
    """At most ``limit`` of each rule."""

    @property
    def total(self) -> int:
        """How many findings there are, named or not."""
        return sum(self.broken.values())


def verify(*, limit: int = SHOWN_PER_RULE, time_limit: timedelta = TIME_LIMIT) -> Report:
    """Check everything as it stands at one instant; must not be called in a transaction."""
    with transaction.atomic(durable=True), consistently(time_limit):
        return check(limit=limit)


@contextmanager
def consistently(time_limit: timedelta) -> Iterator[None]:
    """Make the transaction, which has asked nothing yet, see one instant and write nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        milliseconds = str(int(time_limit / timedelta(milliseconds=1)))
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [milliseconds])
    yield


def check(*, limit: int = SHOWN_PER_RULE) -> Report:
    """Check everything that the present transaction sees."""
    ((checked_at, accounts, transactions, jobs, balance),) = sql.run("audit_totals")
    rows = [row for audit in AUDITS for row in sql.run(audit, limit=limit)]
    return Report(
        checked_at=checked_at,
        accounts=accounts,
        transactions=transactions,
        jobs=jobs,
        balance=int(balance),
        broken=dict.fromkeys(RULES, 0) | {rule: total for rule, *_, total in rows},
        findings=tuple(Finding(*row[:-1]) for row in rows if limit > 0),
    )
