"""Each rule of the books is seen broken, alone; a busy house in order breaks none."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from credits import ledger
from credits.models import CreditGrant, Credits, CreditTransaction, KeySpending, TransactionType
from jobs import lifecycle, submission
from jobs.audit import ledger_audit
from jobs.features.registry import get_feature
from jobs.models import Attempt, Job, RunningCancel
from jobs.states import AttemptState
from tests.credits.books import stop_comparing_books
from tests.jobs.walk import bring_to

COST = 5
MINUTES = 10
"""Of speech, which cost that much."""


@dataclass(frozen=True)
class House:
    """A user with jobs of every kind, and another with nothing but a grant."""

    user: User
    other: User
    open: Job
    pending: Job
    completed: Job
    failed: Job
    free: Job


@pytest.fixture
def house(user, make_user, make_job) -> House:
    failed = make_job(minutes=MINUTES)
    lifecycle.expire(job_id=failed.pk)
    failed.refresh_from_db()
    free = submission.resubmit(
        job=failed, feature=get_feature("transcription"), plan=None, charged=False, by="staff"
    )
    return House(
        user=user,
        other=make_user(balance=7),
        open=job_in(AttemptState.RUNNING, make_job),
        completed=job_in(AttemptState.COMPLETED, make_job),
        failed=failed,
        free=Job.objects.get(pk=free.job_id),
        pending=make_job(minutes=MINUTES),
    )


def job_in(state: str, make_job: Callable[..., Job]) -> Job:
    job = make_job(minutes=MINUTES)
    bring_to(job, state)
    job.refresh_from_db()
    return job


def sql(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def unguarded(statement: str) -> None:
    """Take a guard away until the test's transaction is rolled back."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")  # a table with deferred checks cannot be altered
    sql(statement)


def rewritable_ledger() -> None:
    unguarded("ALTER TABLE credit_transactions DISABLE TRIGGER append_only")


def unguarded_accounts() -> None:
    """Balances no longer move the grants, nor must they be what grants make."""
    unguarded("ALTER TABLE credits DISABLE TRIGGER move")
    sql("ALTER TABLE credits DROP CONSTRAINT credits_balance_is_of_grants")


def set_grants(user: User, **columns: str) -> None:
    """Rewrite an account's open grants by expressions."""
    unguarded_accounts()
    for name, expression in columns.items():
        sql(f"UPDATE credits SET grant_{name} = {expression} WHERE user_id = %s", user.pk)


def last_row(user: User) -> Any:
    newest = CreditTransaction.objects.filter(user=user).latest("seq")
    return CreditTransaction.objects.filter(pk=newest.pk)


def end(job: Job, status: str, *refunds: int, has_grace: bool = False) -> None:
    """End a job, past its lifecycle, with refunds of these amounts."""
    unguarded("ALTER TABLE jobs DROP CONSTRAINT jobs_refunded_were_charged")
    unguarded("ALTER TABLE jobs DISABLE TRIGGER status_forward")
    Job.objects.filter(pk=job.pk).update(
        status=status,
        wake_at=None,
        completed_at=Now(),
        error_code="MODEL_ERROR",
        error_message="Something went wrong.",
        credits_refunded=bool(refunds),
    )
    for amount in refunds:
        ledger.refund(user_id=job.user_id, amount=amount, job_id=job.pk, has_grace=has_grace)


def charge(job: Job, amount: int) -> None:
    """Take credits for a job that has been submitted."""
    account = Credits.objects.get(user=job.user)
    account.balance -= amount
    account.seq += 1
    account.save()
    CreditTransaction.objects.create(
        user=job.user,
        seq=account.seq,
        amount=-amount,
        balance_after=account.balance,
        type=TransactionType.USAGE,
        job=job,
    )


# --- One way to break each rule ---------------------------------------------------------------


def no_account(house: House) -> None:
    Credits.objects.filter(user=house.other).delete()


def balance_without_rows(house: House) -> None:
    """A balance and a grant that makes it."""
    stranger = User.objects.create(email="stranger@example.com")
    Credits.objects.create(user=stranger)
    Credits.objects.filter(user=stranger).update(balance=1)


def wrong_balance(house: House) -> None:
    unguarded_accounts()
    Credits.objects.filter(user=house.user).update(balance=F("balance") + 1)


def wrong_parts(house: House) -> None:
    rewritable_ledger()
    [part] = last_row(house.other).get().parts
    last_row(house.other).update(parts=[part | {"amount": 6}])


def grant_of_another_amount(house: House) -> None:
    unguarded("ALTER TABLE credit_grants DISABLE TRIGGER append_only")
    CreditGrant.objects.filter(user=house.other).update(amount=9)


def grant_that_nobody_gave(house: House) -> None:
    CreditGrant.objects.create(user=house.other, kind="promo", amount=3)


def grant_of_another_time(house: House) -> None:
    set_grants(house.other, expires_at="ARRAY['2999-01-01Z'::timestamptz]")


def grants_out_of_order(house: House) -> None:
    ledger.grant(user_id=house.other.pk, amount=7)
    set_grants(house.other, ids="ARRAY[grant_ids[2], grant_ids[1]]")


def grants_mixed_up(house: House) -> None:
    ledger.grant(user_id=house.other.pk, amount=7)
    set_grants(house.other, remaining="'{6,8}'")


def gap_in_seq(house: House) -> None:
    rewritable_ledger()
    last_row(house.user).update(seq=F("seq") + 1)
    Credits.objects.filter(user=house.user).update(seq=F("seq") + 1)


def seq_from_two(house: House) -> None:
    rewritable_ledger()
    last_row(house.other).update(seq=2)
    Credits.objects.filter(user=house.other).update(seq=2)


def seq_twice(house: House) -> None:
    unguarded("ALTER TABLE credit_transactions DROP CONSTRAINT credit_transactions_seq")
    for _ in range(2):
        CreditTransaction.objects.create(
            user=house.other, seq=3, amount=0, balance_after=7, type="bonus"
        )
    Credits.objects.filter(user=house.other).update(seq=3)


def seq_ahead(house: House) -> None:
    Credits.objects.filter(user=house.user).update(seq=F("seq") + 1)


def broken_chain(house: House) -> None:
    rewritable_ledger()
    last_row(house.user).update(balance_after=F("balance_after") + 1)


def not_charged(house: House) -> None:
    Job.objects.create(
        user=house.user,
        type="transcription",
        gpu_class="CPU",
        credits_cost=COST,
        wake_at=timezone.now(),
        start_deadline_at=timezone.now(),
    )


def charged_twice(house: House) -> None:
    unguarded("DROP INDEX credit_transactions_once_per_job")
    charge(house.open, COST)


def charged_on_the_house(house: House) -> None:
    charge(house.free, 1)


def wrong_price(house: House) -> None:
    Job.objects.filter(pk=house.open.pk).update(credits_cost=COST + 1)


def charged_another(house: House) -> None:
    Job.objects.filter(pk=house.open.pk).update(user=house.other)


def refunded_twice(house: House) -> None:
    unguarded("DROP INDEX credit_transactions_once_per_job")
    end(house.pending, "failed", 2, COST - 2)


def refunded_more(house: House) -> None:
    unguarded("ALTER TABLE credit_transactions DISABLE TRIGGER refund_within_usage")
    end(house.pending, "failed", COST + 1)


def refunded_while_open(house: House) -> None:
    unguarded("ALTER TABLE jobs DROP CONSTRAINT jobs_refunded_were_charged")
    ledger.refund(user_id=house.user.pk, amount=1, job_id=house.open.pk)
    Job.objects.filter(pk=house.open.pk).update(credits_refunded=True)


def refunded_less(house: House) -> None:
    end(house.pending, "cancelled", COST - 1)


def not_refunded(house: House) -> None:
    end(house.pending, "failed")


def kept_and_refunded(house: House) -> None:
    RunningCancel.objects.create(job=house.pending, user=house.user, refunded=False)
    end(house.pending, "cancelled", COST)


def grace_for_a_cancel(house: House) -> None:
    values = [house.user.pk]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers
        cursor.execute("UPDATE credit_grants SET expires_at = now() WHERE user_id = %s", values)
        cursor.execute(
            "UPDATE credits SET grant_expires_at = ARRAY[now()] WHERE user_id = %s", values
        )
        cursor.execute("SET LOCAL session_replication_role = origin")
    end(house.pending, "cancelled", COST, has_grace=True)


def completed_for_nothing(house: House) -> None:
    end(house.pending, "completed", COST)


def refund_not_told(house: House) -> None:
    Job.objects.filter(pk=house.failed.pk).update(credits_refunded=False)


def refund_told_that_is_not(house: House) -> None:
    unguarded("ALTER TABLE jobs DROP CONSTRAINT jobs_refunded_were_charged")
    Job.objects.filter(pk=house.completed.pk).update(credits_refunded=True)


def asleep(house: House) -> None:
    unguarded("ALTER TABLE jobs DROP CONSTRAINT jobs_wake_while_open")
    Job.objects.filter(pk=house.open.pk).update(wake_at=None)


def awake_after_its_end(house: House) -> None:
    unguarded("ALTER TABLE jobs DROP CONSTRAINT jobs_wake_while_open")
    Job.objects.filter(pk=house.failed.pk).update(wake_at=Now())


def attempt_outlives_its_job(house: House) -> None:
    Attempt.objects.filter(job=house.completed).update(state=AttemptState.COLLECTED)


def attempt_ends_before_its_job(house: House) -> None:
    Attempt.objects.filter(job=house.open).update(state=AttemptState.FAILED)


def two_living_attempts(house: House) -> None:
    Attempt.objects.create(
        job=house.open, number=2, backend="local", engine="draft", gpu_class="CPU"
    )


def spent_more_by_key(house: House) -> None:
    key = KeySpending.objects.create(api_key_id=uuid.uuid4(), day=timezone.now(), spent=COST + 1)
    Job.objects.filter(pk__in=[house.open.pk, house.failed.pk]).update(api_key_id=key.pk)


BREAKS: list[tuple[str, Callable[[House], None], str, str]] = [
    ("account_exists", no_account, "an account", "none, and 1 ledger rows"),
    ("seq_has_no_gaps", gap_in_seq, "1 to 6", "6 numbers from 1 to 7"),
    ("seq_has_no_gaps", seq_from_two, "1 to 1", "1 numbers from 2 to 2"),
    ("seq_has_no_gaps", seq_twice, "1 to 3", "2 numbers from 1 to 3"),
    ("seq_is_the_last", seq_ahead, "6", "7"),
    ("balance_after_chains", broken_chain, "85 after row 6", "86"),
    ("charged_once", not_charged, "1 usage rows", "0"),
    ("charged_once", charged_twice, "1 usage rows", "2"),
    ("charged_once", charged_on_the_house, "0 usage rows", "1"),
    ("usage_is_the_price", wrong_price, "6", "5"),
    ("money_is_the_owners", charged_another, "rows of the job's user", "1 of another user"),
    ("refunded_once", refunded_twice, "at most 1 refund row", "2"),
    ("refund_within_usage", refunded_more, "at most 5", "6"),
    ("open_is_not_refunded", refunded_while_open, "no refund", "1, the job is processing"),
    ("unsuccessful_is_refunded", refunded_less, "5", "4, the job is cancelled"),
    ("unsuccessful_is_refunded", not_refunded, "5", "0, the job is failed"),
    (
        "kept_is_cancelled",
        kept_and_refunded,
        "no refund, and a cancelled job",
        "5, the job is cancelled",
    ),
    ("grace_is_for_our_failures", grace_for_a_cancel, "at most 0", "5"),
    ("completed_is_paid", completed_for_nothing, "less than 5", "5"),
    ("refund_is_told", refund_not_told, "credits_refunded true", "false"),
    ("refund_is_told", refund_told_that_is_not, "credits_refunded false", "true"),
    ("open_jobs_wake", asleep, "wake_at set", "none, the job is processing"),
    ("open_jobs_wake", awake_after_its_end, "no wake_at", "…, the job is failed"),
    (
        "living_attempts_are_wanted",
        attempt_outlives_its_job,
        "an ended attempt",
        "attempt 1 collected, the job is completed",
    ),
    (
        "living_attempts_are_wanted",
        attempt_ends_before_its_job,
        "a living attempt",
        "attempt 1 failed, the job is processing",
    ),
    (
        "living_attempts_are_wanted",
        two_living_attempts,
        "an ended attempt",
        "attempt 2 queued, the job is processing",
    ),
    ("key_spending_is_the_sum", spent_more_by_key, "5", "6"),
]


SUM, MADE = "balance_is_the_sum", "open_grants_make_the_balance"
MOVED, GIVEN = "grants_are_what_rows_moved", "grants_are_what_was_given"
GRANT_BREAKS: list[tuple[Callable[[House], None], set[str]]] = [
    (wrong_balance, {SUM, MADE}),
    (balance_without_rows, {SUM, MOVED, GIVEN}),
    (wrong_parts, {"parts_make_the_amount", MOVED, GIVEN}),
    (grants_mixed_up, {MOVED}),
    (grant_of_another_amount, {GIVEN}),
    (grant_that_nobody_gave, {GIVEN}),
    (grant_of_another_time, {"open_grants_are_the_owners"}),
    (grants_out_of_order, {"open_grants_burn_in_order"}),
]
"""With all that is found then: a sum that is off is seen from several sides."""


@pytest.mark.parametrize(("break_it", "rules"), GRANT_BREAKS)
def test_grants_that_do_not_add_up_are_found(house, break_it, rules):
    with transaction.atomic():
        stop_comparing_books()
        break_it(house)
    report = ledger_audit.check()
    assert {name for name, number in report.broken.items() if number} == rules
    expected = {house.user.pk, house.other.pk, *strangers()}
    assert {finding.user_id for finding in report.findings} <= expected


@pytest.mark.parametrize(("rule", "break_it", "expected", "found"), BREAKS)
def test_a_broken_rule_is_found_and_no_other(house, rule, break_it, expected, found):
    assert ledger_audit.check().total == 0
    with transaction.atomic():
        stop_comparing_books()
        break_it(house)
    report = ledger_audit.check()
    assert {name for name, number in report.broken.items() if number} == {rule}
    assert report.total == 1
    [finding] = report.findings
    assert (finding.rule, finding.expected) == (rule, expected)
    assert finding.found.endswith(found.removeprefix("…"))
    assert finding.user_id in {house.user.pk, house.other.pk, *strangers()}


def strangers() -> list[uuid.UUID]:
    return list(User.objects.filter(email="stranger@example.com").values_list("pk", flat=True))


def test_every_rule_has_a_way_to_break_it():
    broken = {rule for rule, *_ in BREAKS}.union(*(rules for _, rules in GRANT_BREAKS))
    assert broken == set(ledger_audit.RULES)


# --- What is in order -------------------------------------------------------------------------


def test_an_empty_house_is_in_order(db):
    report = ledger_audit.check()
    assert (report.total, report.accounts, report.jobs, report.balance) == (0, 0, 0, 0)


def test_a_busy_house_is_in_order_and_counted(house, make_job):
    for state in (AttemptState.PREPARED, AttemptState.RUNNING, AttemptState.REPORTED):
        lifecycle.cancel(job_id=job_in(state, make_job).pk, by="user")
        lifecycle.requeue_job(job_id=job_in(state, make_job).pk, by="staff")
    report = ledger_audit.check()
    assert (report.total, report.findings) == (0, ())
    assert set(report.broken) == set(ledger_audit.RULES)
    assert (report.accounts, report.jobs) == (2, Job.objects.count())
    assert report.transactions == CreditTransaction.objects.count()
    assert report.balance == 100 - 6 * COST + 7


def test_a_job_that_delivered_less_may_give_back_a_part(house):
    with transaction.atomic():
        end(house.pending, "completed", COST - 1)
    assert ledger_audit.check().total == 0


@pytest.mark.parametrize(("is_late", "total"), [(True, 0), (False, 1)])
def test_a_key_that_begins_to_spend_meanwhile_is_in_order(db, monkeypatch, is_late, total):
    def spend() -> None:
        KeySpending.objects.create(api_key_id=uuid.uuid4(), day=timezone.now(), spent=COST)

    def users_after(*page: Any) -> Any:
        if is_late:
            spend()
        return [], None

    if not is_late:
        spend()
    monkeypatch.setattr(ledger_audit, "list_users_after", users_after)
    assert ledger_audit.check().broken["key_spending_is_the_sum"] == total


# --- What is told -----------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4])
def test_all_findings_are_counted_and_the_first_of_each_rule_named(house, make_user, limit):
    stop_comparing_books()
    for _ in range(3):
        Credits.objects.filter(user=make_user()).update(seq=1)
    refund_not_told(house)
    report = ledger_audit.check(limit=limit)
    assert (report.total, report.broken["seq_is_the_last"]) == (4, 3)
    assert len(report.findings) == min(3, limit) + min(1, limit)


# --- One instant ------------------------------------------------------------------------------


def elsewhere(work: Callable[[], Any]) -> None:
    """Do something on another connection, and wait for it."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@pytest.mark.django_db(transaction=True)
def test_a_check_sees_one_instant_and_writes_nothing(user):
    def grant() -> None:
        with transaction.atomic():
            ledger.grant(user_id=user.pk, amount=1)

    with transaction.atomic(), ledger_audit.consistent_snapshot(timedelta(seconds=10)):
        before = ledger_audit.check()
        elsewhere(grant)
        assert ledger_audit.check() == before
        with pytest.raises(DatabaseError, match="read-only"), transaction.atomic():
            grant()
    assert ledger_audit.verify_ledger().balance == before.balance + 1


@pytest.mark.django_db(transaction=True)
def test_a_check_is_no_part_of_a_transaction_that_sees_less(user):
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        ledger_audit.verify_ledger()


@pytest.mark.django_db(transaction=True)
def test_a_check_that_takes_too_long_is_broken_off(user):
    with pytest.raises(DatabaseError, match="statement timeout"):
        with transaction.atomic(), ledger_audit.consistent_snapshot(timedelta(milliseconds=20)):
            sql("SELECT pg_sleep(5)")
