"""The running audit finds by itself what is broken, at once or in the course of a day."""

import random
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from psycopg.errors import QueryCanceled

from accounts.models import User
from credits import ledger
from credits.models import Credits
from jobs import cached_figures, lifecycle
from jobs.audit import ledger_audit, running_audit
from jobs.events.numbering import number_events
from jobs.models import AuditedAccount, AuditFinding, Job, KeptFigures
from jobs.states import AttemptState
from tests.credits.books import stop_comparing_books
from tests.jobs.audit import test_ledger_audit as breaks
from tests.jobs.audit.test_ledger_audit import House, job_in
from tests.jobs.walk import bring_to

house = breaks.house
ALL_BREAKS = [
    *((break_it, {rule}) for rule, break_it, *_ in breaks.BREAKS),
    *breaks.GRANT_BREAKS,
]


@pytest.fixture(autouse=True)
def in_the_tests_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is broken is undone; that rounds see one instant is tested with the metrics."""
    monkeypatch.setattr(running_audit, "_instant", lambda *limit: nullcontext())


@pytest.fixture
def no_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read but what has moved."""
    monkeypatch.setattr(running_audit, "_audit_slice", lambda state: None)


def audit() -> set[str]:
    """A round; the rules that are broken, as far as it knows."""
    KeptFigures.objects.update(next_at=Now())
    assert running_audit.audit_books() == 1
    standing = running_audit.read_status()
    assert standing is not None
    return {rule for rule, number in standing.broken.items() if number}


@pytest.mark.parametrize(("break_it", "rules"), ALL_BREAKS)
def test_what_breaks_after_an_audit_is_found_by_a_later_one(
    house: House, break_it: Callable[[House], None], rules: set[str]
) -> None:
    assert audit() == set()
    with transaction.atomic():
        stop_comparing_books()
        break_it(house)
    audit()
    assert audit() == rules  # it is still so


AT_ONCE = [
    (breaks.wrong_balance, "balance_is_the_sum"),
    (breaks.seq_ahead, "seq_is_the_last"),
    (breaks.charged_twice, "charged_once"),
    (breaks.wrong_price, "usage_is_the_price"),
    (breaks.refunded_more, "refund_within_usage"),
    (breaks.refunded_while_open, "open_is_not_refunded"),
    (breaks.asleep, "open_jobs_wake"),
    (breaks.attempt_ends_before_its_job, "living_attempts_are_wanted"),
]


@pytest.mark.parametrize(("break_it", "rule"), AT_ONCE)
def test_what_moves_is_found_by_the_next_round(
    house: House, no_slice: None, break_it: Callable[[House], None], rule: str
) -> None:
    assert audit() == set()
    with transaction.atomic():
        stop_comparing_books()
        break_it(house)
    assert rule in audit()


def test_what_was_read_before_is_found_by_a_slice(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert audit() == set()
    with transaction.atomic():
        breaks.refund_not_told(house)
    with monkeypatch.context() as patch:
        patch.setattr(running_audit, "_audit_slice", lambda state: None)
        assert audit() == set()
    assert audit() == {"refund_is_told"}


def test_the_slices_come_round(
    house: House, make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_audit, "MIN_ACCOUNTS", 1)
    monkeypatch.setattr(running_audit, "MIN_JOBS", 1)
    users = [make_user(balance=5) for _ in range(4)]
    maximum = max(User.objects.count(), Job.objects.count()) + 1
    for _ in range(maximum):
        assert audit() == set()
    breaks.rewritable_ledger()
    for user in users:
        breaks.last_row(user).update(balance_after=6)
    rounds = 1
    while AuditFinding.objects.count() < len(users):
        audit()
        rounds += 1
    assert rounds <= maximum


def test_what_is_mended_is_off_no_more(house: House, no_slice: None) -> None:
    assert audit() == set()
    stop_comparing_books()
    mine = Credits.objects.filter(user=house.user)
    mine.update(seq=F("seq") + 1)
    Job.objects.filter(pk=house.open.pk).update(credits_cost=6)
    assert audit() == {"seq_is_the_last", "usage_is_the_price"}
    assert not AuditedAccount.objects.filter(user_id=house.user.pk).exists()
    mine.update(seq=F("seq") - 1)
    Job.objects.filter(pk=house.open.pk).update(credits_cost=5)
    assert audit() == set()
    assert AuditedAccount.objects.filter(user_id=house.user.pk).exists()
    assert not AuditFinding.objects.exists()


@pytest.mark.parametrize("seed", range(3))
def test_from_round_to_round_it_sees_what_a_whole_audit_sees(
    house: House, make_job: Callable[..., Job], no_slice: None, seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(12):
        for _ in range(chance.randrange(4)):
            move = chance.choice(["grant", "expiring", "job", "cancel", "complete"])
            if move == "grant":
                with transaction.atomic():
                    ledger.grant(user_id=house.user.pk, amount=chance.randint(1, 20))
            elif move == "expiring":
                soon = timezone.now() + timedelta(hours=chance.randint(1, 9))
                with transaction.atomic():
                    ledger.grant(user_id=house.other.pk, amount=3, expires_at=soon)
            elif move == "job":
                make_job(minutes=10)
            elif job := Job.objects.filter(status="pending").order_by("?").first():
                if move == "cancel":
                    lifecycle.cancel(job_id=job.pk, by="user")
                else:
                    bring_to(job, AttemptState.COMPLETED)
        assert audit() == set()
        assert ledger_audit.check().total == 0
    account = Credits.objects.get(user=house.user)
    audited_account = AuditedAccount.objects.get(user_id=house.user.pk)
    assert (audited_account.seq, audited_account.balance) == (account.seq, account.balance)
    assert sum(audited_account.remaining.values()) == account.balance


def test_nobody_counts_as_in_order_where_not_all_is_named(
    make_user: Callable[..., User], no_slice: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_audit, "MAX_STORED_FINDINGS", 1)
    users = [make_user(balance=5) for _ in range(4)]
    off = {user.pk for user in users[1:]}
    stop_comparing_books()
    Credits.objects.filter(user__in=off).update(seq=F("seq") + 1)
    for _ in range(2):
        assert audit() == {"seq_is_the_last"}
        assert set(AuditFinding.objects.values_list("user_id", flat=True)) == off
        assert [audited_account.user_id for audited_account in AuditedAccount.objects.all()] == [
            users[0].pk
        ]


def canceled() -> OperationalError:
    error = OperationalError("canceling statement due to statement timeout")
    error.__cause__ = QueryCanceled()
    return error


@pytest.mark.parametrize("error", [canceled(), DataError("not a number")])
@pytest.mark.parametrize("check", ["check_accounts", "check_jobs"])
def test_a_page_that_cannot_be_read_keeps_no_other_from_it(
    house: House,
    check: str,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(ledger_audit, "ACCOUNTS_PER_PAGE", 1)
    monkeypatch.setattr(ledger_audit, "JOBS_PER_PAGE", 1)
    poisoned = {"check_accounts": house.user.pk, "check_jobs": house.open.pk}[check]
    reads = getattr(ledger_audit, check)
    read = []

    def fails(page: Any, found: Any) -> Any:
        read.append(getattr(page[0], "user_id", page[0]))
        if read[-1] == poisoned:
            raise error
        return reads(page, found)

    monkeypatch.setattr(ledger_audit, check, fails)
    assert audit() == set()
    every = Job.objects if check == "check_jobs" else User.objects
    assert set(read) == set(every.values_list("pk", flat=True))
    assert f"1 {check.removeprefix('check_')} from {poisoned} on cannot be audited" in caplog.text


def test_an_outage_ends_the_round(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*page: Any) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(ledger_audit, "check_jobs", fails)
    with pytest.raises(OperationalError, match="lost"):
        audit()


def test_only_an_account_by_itself_may_take_long(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []

    def instant(limit: timedelta = running_audit.TIME_LIMIT) -> Any:
        limits.append(limit)
        return nullcontext()

    audit()  # counts what has ended so far
    monkeypatch.setattr(running_audit, "_instant", instant)
    audit()
    assert set(limits) == {running_audit.TIME_LIMIT}
    monkeypatch.setattr(ledger_audit, "ACCOUNTS_PER_PAGE", 1)
    audit()
    assert limits.count(ledger_audit.TIME_LIMIT) == User.objects.count()


def test_findings_of_a_rule_that_is_no_more_are_forgotten(db: None) -> None:
    AuditFinding.objects.create(subject_id=ledger_audit.START, rule="x", expected="1", found="2")
    assert audit() == set()
    assert not AuditFinding.objects.exists()


def test_open_jobs_are_read_in_turns(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_audit, "MAX_OPEN_JOBS", 2)
    state: dict[str, Any] = {}
    open_ones = sorted([house.open.pk, house.pending.pk, house.free.pk])
    for _ in range(2):
        assert running_audit._list_open_jobs(state) == open_ones[:2]
        assert running_audit._list_open_jobs(state) == open_ones[2:]


def test_ended_jobs_are_counted_once(house: House, make_job: Callable[..., Job]) -> None:
    def ended() -> dict[str, int]:
        standing = running_audit.read_status()
        assert standing is not None
        return {status: number for _, status, number in standing.ended}

    number_events()
    audit()
    assert ended() == {"failed": 1, "completed": 1}
    job_in(AttemptState.COMPLETED, make_job)
    audit()
    assert ended() == {"failed": 1, "completed": 1}  # its end has no number yet
    number_events()
    for _ in range(2):
        audit()
        assert ended() == {"failed": 1, "completed": 2}


def test_ends_without_a_number_are_not_counted_twice(house: House) -> None:
    audit()  # begins while the ends wait for their numbers
    number_events()
    audit()
    standing = running_audit.read_status()
    assert standing is not None
    counted = sum(number for *_, number in standing.ended)
    assert counted == Job.objects.exclude(completed_at=None).count()


def test_a_round_that_fails_is_tried_again_when_it_is_time(db: None) -> None:
    def fails(before: Any) -> None:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        cached_figures.refresh_figures("x", fails, every=timedelta(minutes=5))
    row = KeptFigures.objects.get(name="x")
    assert row.found_at is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s - now() < interval '6 minutes'", [row.next_at])
        assert cursor.fetchone() == (True,)


def test_whoever_is_lost_is_followed(db: None) -> None:
    KeptFigures.objects.create(name="x", next_at=Now() + timedelta(minutes=1))
    assert cached_figures.refresh_figures("x", lambda before: 1, every=timedelta(minutes=5)) == 0
    KeptFigures.objects.update(next_at=Now())
    assert cached_figures.refresh_figures("x", lambda before: 1, every=timedelta(minutes=5)) == 1
