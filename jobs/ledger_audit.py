"""The ledger audit: whether every credit and every job add up, asked of the database as a whole.

A rule is a condition on the rows of one subject (accounts, ledger rows, jobs, attempts); all rules
of a subject are checked in one pass over it, by PostgreSQL. Most are kept by constraints and
triggers as well: what is checked here is that nobody and nothing got around them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from auteur.database import execute
from jobs import sql
from jobs.states import literals

SHOWN_PER_RULE = 100
"""Findings that a report names of each rule; all are counted."""
TIME_LIMIT = timedelta(minutes=30)
"""For one statement of a check that nobody waits for."""


@dataclass(frozen=True)
class Rule:
    """What must hold, and the SQL under which a row of the subject breaks it.

    States stand in it as in `jobs.queries.sql`.
    """

    name: str
    meaning: str
    broken: str
    expected: str
    found: str


@dataclass(frozen=True)
class Subject:
    """Rows with at least ``user_id`` and ``job_id``, and the rules about them."""

    rows: str
    """The name of the statement that selects them."""
    rules: tuple[Rule, ...]


ACCOUNTS = Subject(
    rows="books_accounts",
    rules=(
        Rule(
            name="account_exists",
            meaning="Who has ledger rows has an account.",
            broken="account_id IS NULL",
            expected="'an account'",
            found="concat('none, and ', lines, ' ledger rows')",
        ),
        Rule(
            name="balance_is_the_sum",
            meaning="The balance is the sum of the account's ledger rows.",
            broken="balance <> total",
            expected="total",
            found="balance",
        ),
        Rule(
            name="seq_has_no_gaps",
            meaning="An account's ledger rows are numbered 1, 2, 3 …",
            broken="first_seq <> 1 OR last_seq <> lines OR seqs <> lines",
            expected="concat('1 to ', lines)",
            found="concat(seqs, ' numbers from ', first_seq, ' to ', last_seq)",
        ),
        Rule(
            name="seq_is_the_last",
            meaning="The account has counted as far as its ledger rows go.",
            broken="seq <> last_seq",
            expected="last_seq",
            found="seq",
        ),
    ),
)

LEDGER_ROWS = Subject(
    rows="books_ledger_rows",
    rules=(
        Rule(
            name="balance_after_chains",
            meaning="Each ledger row's balance is the one before it and its amount.",
            broken="balance_after <> balance_before + amount",
            expected="concat(balance_before + amount, ' after row ', seq)",
            found="balance_after",
        ),
    ),
)

JOBS = Subject(
    rows="books_jobs",
    rules=(
        Rule(
            name="charged_once",
            meaning="A job that costs something has one usage row, any other has none.",
            broken="usages <> (cost > 0)::int",
            expected="concat((cost > 0)::int, ' usage rows')",
            found="usages",
        ),
        Rule(
            name="usage_is_the_price",
            meaning="The usage row took what the job costs.",
            broken="usages = 1 AND cost > 0 AND used <> cost",
            expected="cost",
            found="used",
        ),
        Rule(
            name="money_is_the_owners",
            meaning="A job's ledger rows are its user's.",
            broken="foreign_lines > 0",
            expected="'rows of the job''s user'",
            found="concat(foreign_lines, ' of another user')",
        ),
        Rule(
            name="refunded_once",
            meaning="A job has at most one refund row.",
            broken="refunds > 1",
            expected="'at most 1 refund row'",
            found="refunds",
        ),
        Rule(
            name="refund_within_usage",
            meaning="What came back is at most what was taken.",
            broken="refunded > used",
            expected="concat('at most ', used)",
            found="refunded",
        ),
        Rule(
            name="open_is_not_refunded",
            meaning="A job is not refunded before it ends.",
            broken="is_open AND refunds > 0",
            expected="'no refund'",
            found="concat(refunded, ', the job is ', status)",
        ),
        Rule(
            name="unsuccessful_is_refunded",
            meaning="All credits of a failed or cancelled job came back, but for a user's cancel "
            "beyond the free ones.",
            broken="status IN ({FAILED}, {CANCELLED}) AND refunded < cost AND NOT is_kept",
            expected="cost",
            found="concat(refunded, ', the job is ', status)",
        ),
        Rule(
            name="kept_is_cancelled",
            meaning="Of a cancel beyond the free ones nothing came back, and it is one.",
            broken="is_kept AND (status <> {CANCELLED} OR refunds > 0)",
            expected="'no refund, and a cancelled job'",
            found="concat(refunded, ', the job is ', status)",
        ),
        Rule(
            name="completed_is_paid",
            meaning="Of a completed job's credits not all came back.",
            broken="status = {COMPLETED} AND refunds > 0 AND refunded >= cost",
            expected="concat('less than ', cost)",
            found="refunded",
        ),
        Rule(
            name="refund_is_told",
            meaning="A job says that it was refunded exactly if it was.",
            broken="flag <> (refunds > 0)",
            expected="concat('credits_refunded ', (refunds > 0)::text)",
            found="flag",
        ),
        Rule(
            name="open_jobs_wake",
            meaning="A job will be looked at again exactly while it is open.",
            broken="is_open <> (wake_at IS NOT NULL)",
            expected="CASE WHEN is_open THEN 'wake_at set' ELSE 'no wake_at' END",
            found="concat(coalesce(wake_at::text, 'none'), ', the job is ', status)",
        ),
    ),
)

ATTEMPTS = Subject(
    rows="books_attempts",
    rules=(
        Rule(
            name="living_attempts_are_wanted",
            meaning="An attempt has not ended exactly while it is the present one of an open job.",
            broken="is_alive <> is_wanted",
            expected="CASE WHEN is_wanted THEN 'a living attempt' ELSE 'an ended attempt' END",
            found="concat('attempt ', number, ' ', state, ', the job is ', status)",
        ),
    ),
)

SUBJECTS = (ACCOUNTS, LEDGER_ROWS, JOBS, ATTEMPTS)
RULES = tuple(rule for subject in SUBJECTS for rule in subject.rules)


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
    """How often each rule is broken; every rule is named."""
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
    ((checked_at, accounts, transactions, jobs, balance),) = sql.run("books_totals")
    rows = [row for subject in SUBJECTS for row in execute(_query(subject), {"limit": limit})]
    broken = dict.fromkeys((rule.name for rule in RULES), 0)
    broken |= {rule: total for rule, *_, total in rows}
    return Report(
        checked_at=checked_at,
        accounts=accounts,
        transactions=transactions,
        jobs=jobs,
        balance=int(balance),
        broken=broken,
        findings=tuple(Finding(*row[:-1]) for row in rows if limit > 0),
    )


def _query(subject: Subject) -> str:
    checks = (
        f"('{rule.name}', ({rule.broken}), ({rule.expected})::text, ({rule.found})::text)"
        for rule in subject.rules
    )
    return (
        sql.STATEMENTS["books_find"]
        .format(
            rows=sql.STATEMENTS[subject.rows],
            any_broken=" OR ".join(f"({rule.broken})" for rule in subject.rules),
            checks=", ".join(checks),
        )
        .format_map(literals())
    )
