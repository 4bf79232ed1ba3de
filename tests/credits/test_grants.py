"""Grants: what burns first, what comes back where, what expires, and what is taken back."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from credits import balances, expiry, ledger
from credits.models import CreditGrant, Credits, CreditTransaction, GrantKind
from gpu_tasks.runtime.errors import ErrorCode
from jobs import lifecycle, submission
from jobs.audit import ledger_audit
from jobs.errors import JobError
from jobs.features.registry import get_feature
from jobs.models import Job
from jobs.states import AttemptState
from tests.credits.clock import pass_time
from tests.jobs.walk import bring_to

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MakeJob = Callable[..., Job]


def grant(user: User, amount: int, days: int | None = None, **options: Any) -> int:
    """Give credits that expire in so many days; the grant's id."""
    expires_at = None if days is None else timezone.now() + days * DAY
    with transaction.atomic():
        ledger.grant(user_id=user.pk, amount=amount, expires_at=expires_at, **options)
    return CreditGrant.objects.filter(user=user).latest("id").pk


def take_back(user: User, **options: Any) -> int:
    with transaction.atomic():
        return ledger.revoke_grant(user_id=user.pk, reason="A mistake", **options)


def open_grants(user: User) -> list[tuple[int, int]]:
    """What remains of which grants, in the order in which they burn."""
    account = Credits.objects.get(user=user)
    return list(zip(account.grant_ids, account.grant_remaining, strict=True))


def latest(user: User) -> tuple[str, int, list[tuple[int, int]]]:
    """The newest ledger row: type, amount and parts."""
    row = CreditTransaction.objects.filter(user=user).latest("seq")
    return row.type, row.amount, parts(row)


def parts(row: CreditTransaction) -> list[tuple[int, int]]:
    return [(part["grant_id"], part["amount"]) for part in row.parts]


def cost(make_job: MakeJob, user: User, credits: int) -> Job:
    """Submit a job of that price."""
    return make_job(user, minutes=2 * credits)


@pytest.fixture
def somebody(make_user: Callable[..., User]) -> Any:
    """A user without credits, whose books are right in the end."""
    yield (user := make_user())
    assert ledger_audit.check().findings == ()
    assert Credits.objects.filter(user=user).exists()


class TestBurning:
    def test_what_expires_first_burns_first_and_what_never_does_last(
        self, somebody: User, make_job: MakeJob
    ) -> None:
        never, late, soon = grant(somebody, 5), grant(somebody, 5, 30), grant(somebody, 5, 3)
        assert open_grants(somebody) == [(soon, 5), (late, 5), (never, 5)]
        cost(make_job, somebody, 11)
        assert open_grants(somebody) == [(never, 4)]
        assert latest(somebody) == ("usage", -11, [(soon, -5), (late, -5), (never, -1)])

    def test_priority_comes_before_expiry_and_age_after_it(self, somebody: User) -> None:
        soon = grant(somebody, 1, 1)
        first, second = grant(somebody, 1), grant(somebody, 1)
        bonus = grant(somebody, 1, priority=ledger.DEFAULT_PRIORITY - 1)
        assert [number for number, _ in open_grants(somebody)] == [bonus, soon, first, second]

    def test_each_job_of_a_batch_says_what_it_drew(self, somebody: User, make_media: Any) -> None:
        soon, never = grant(somebody, 3, 3), grant(somebody, 9)
        media = [make_media(somebody, duration_ms=minutes * 60_000) for minutes in (4, 4, 8)]
        wanted = [{"type": "transcription", "media_id": str(each.pk)} for each in media]
        submission.submit_batch(user_id=somebody.pk, plan=None, items=wanted)
        rows = CreditTransaction.objects.filter(user=somebody, type="usage").order_by("seq")
        assert [parts(row) for row in rows] == [
            [(soon, -2)],
            [(soon, -1), (never, -1)],
            [(never, -4)],
        ]
        assert open_grants(somebody) == [(never, 4)]

    def test_expired_credits_are_not_spent_though_their_row_is_not_written(
        self, somebody: User, make_job: MakeJob
    ) -> None:
        gone, never = grant(somebody, 50, 3), grant(somebody, 4)
        pass_time(somebody.pk, 3 * DAY)
        with pytest.raises(ledger.InsufficientCreditsProblem) as refused:
            cost(make_job, somebody, 5)
        assert refused.value.extra == {"balance": 4, "required": 5}
        cost(make_job, somebody, 4)
        assert open_grants(somebody) == [(gone, 50)]
        assert latest(somebody) == ("usage", -4, [(never, -4)])
        assert ledger.get_balance(user_id=somebody.pk) == 0

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE credits SET grant_remaining = '{4,2}'",
            "UPDATE credits SET grant_remaining = '{5,1,-1}', grant_ids = grant_ids || 1::bigint",
            "UPDATE credits SET grant_ids = grant_ids || 1::bigint",
            "UPDATE credits SET balance = balance - 6",
            'UPDATE credits SET wanted_parts = \'[{"grant_id": 0, "amount": 1}]\'',
        ],
    )
    def test_the_database_refuses_what_does_not_add_up(
        self, somebody: User, statement: str
    ) -> None:
        grant(somebody, 5)
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

    @pytest.mark.parametrize(
        "statement", ["UPDATE credit_grants SET amount = 9", "DELETE FROM credit_grants"]
    )
    def test_what_was_given_stays_as_it_was(self, somebody: User, statement: str) -> None:
        grant(somebody, 5)
        with (
            pytest.raises(IntegrityError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


class TestGiving:
    def test_a_source_gives_once(self, somebody: User) -> None:
        for _ in range(2):
            with transaction.atomic():
                balance = ledger.grant(
                    user_id=somebody.pk, amount=7, kind=GrantKind.PURCHASE, source="stripe:in_1"
                )
            assert balance == 7
        assert latest(somebody)[:2] == ("purchase", 7)
        assert CreditTransaction.objects.filter(user=somebody).count() == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
            {"priority": -1},
            {"priority": ledger.MAX_PRIORITY + 1},
        ],
    )
    def test_what_cannot_be_given(self, somebody: User, wrong: dict[str, Any]) -> None:
        with (
            pytest.raises(ValueError, match=r"the expiry must be|a priority must be"),
            transaction.atomic(),
        ):
            ledger.grant(user_id=somebody.pk, amount=1, **wrong)
        assert open_grants(somebody) == []

    def test_an_account_has_so_many_open_grants(
        self, somebody: User, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ledger, "MAX_OPEN_GRANTS", 2)
        grant(somebody, 1), grant(somebody, 1)
        with pytest.raises(ledger.TooManyGrantsProblem):
            grant(somebody, 1)
        cost(make_job, somebody, 1)
        grant(somebody, 1)
        assert len(open_grants(somebody)) == 2


class TestRefunds:
    def test_they_return_to_where_they_came_from(self, somebody: User, make_job: MakeJob) -> None:
        soon, never = grant(somebody, 3, 3), grant(somebody, 9)
        job = cost(make_job, somebody, 5)
        lifecycle.cancel(job_id=job.pk, by="user")
        assert open_grants(somebody) == [(soon, 3), (never, 9)]
        assert latest(somebody)[:2] == ("refund", 5)

    def test_a_part_is_of_what_would_have_burned_last(
        self, make_user: Callable[..., User], make_job: MakeJob
    ) -> None:
        user = make_user()
        _, late, never = grant(user, 3, 3), grant(user, 3, 9), grant(user, 9)
        job = cost(make_job, user, 8)
        with transaction.atomic():
            ledger.refund(user_id=user.pk, amount=4, job_id=job.pk)
        assert latest(user) == ("refund", 4, [(late, 2), (never, 2)])
        assert open_grants(user) == [(late, 2), (never, 9)]

    def test_what_has_expired_lives_on_for_a_while_where_we_failed(
        self, somebody: User, make_job: MakeJob, settings: Any
    ) -> None:
        settings.REFUND_GRACE_DAYS = 30
        grant(somebody, 6, 3)
        never = grant(somebody, 9)
        jobs = [cost(make_job, somebody, 4) for _ in range(2)]
        pass_time(somebody.pk, 3 * DAY)
        expiry.write_expired()
        for job in jobs:
            lifecycle.expire(job_id=job.pk)
        again = CreditGrant.objects.get(user=somebody, kind=GrantKind.REFUND)
        assert open_grants(somebody) == [(again.pk, 6), (never, 9)]
        assert again.expires_at is not None
        assert 30 * DAY < again.expires_at - timezone.now() <= 31 * DAY
        assert ledger.get_balance(user_id=somebody.pk) == 15

    def test_what_expires_while_its_row_is_not_written_is_not_mixed_with_it(
        self, somebody: User, make_job: MakeJob
    ) -> None:
        gone = grant(somebody, 6, 3)
        job = cost(make_job, somebody, 4)
        pass_time(somebody.pk, 3 * DAY)
        lifecycle.expire(job_id=job.pk)
        again = CreditGrant.objects.get(user=somebody, kind=GrantKind.REFUND)
        assert open_grants(somebody) == [(gone, 2), (again.pk, 4)]
        assert expiry.write_expired() == 1
        assert ledger.get_balance(user_id=somebody.pk) == 4

    def test_credits_cancelled_across_their_expiry_burn_round_after_round(
        self, somebody: User, make_job: MakeJob
    ) -> None:
        grant(somebody, 10, 3)
        never = grant(somebody, 5)
        for _ in range(12):
            wanted = ledger.get_balance(user_id=somebody.pk)
            job = cost(make_job, somebody, wanted)
            pass_time(somebody.pk, 31 * DAY)
            lifecycle.cancel(job_id=job.pk, by="user")
            assert ledger.get_balance(user_id=somebody.pk) == 5
            expiry.write_expired()
        assert open_grants(somebody) == [(never, 5)]
        assert not CreditGrant.objects.filter(user=somebody, kind=GrantKind.REFUND).exists()

    def test_where_we_fail_again_there_is_no_second_grace(
        self, somebody: User, make_job: MakeJob
    ) -> None:
        grant(somebody, 6, 3)
        balances_after = []
        for _ in range(3):
            job = cost(make_job, somebody, 6)
            pass_time(somebody.pk, 32 * DAY)
            lifecycle.expire(job_id=job.pk)
            balances_after.append(ledger.get_balance(user_id=somebody.pk))
            if not balances_after[-1]:
                break
        assert balances_after == [6, 0]
        expiry.write_expired()
        assert open_grants(somebody) == []

    @pytest.mark.parametrize(
        ("code", "remaining"),
        [(ErrorCode.INPUT_INVALID, 0), (ErrorCode.MODEL_ERROR, 4), (ErrorCode.STORAGE_ERROR, 4)],
    )
    def test_an_input_that_is_invalid_is_no_failure_of_ours(
        self, somebody: User, make_job: MakeJob, code: ErrorCode, remaining: int
    ) -> None:
        grant(somebody, 4, 3)
        job = cost(make_job, somebody, 4)
        attempt = bring_to(job, AttemptState.RUNNING)
        pass_time(somebody.pk, 3 * DAY)
        error = JobError.of(code)
        states = [AttemptState.RUNNING]
        assert lifecycle.fail(attempt_id=attempt.pk, error=error, states=states)
        assert ledger.get_balance(user_id=somebody.pk) == remaining

    def test_of_a_mix_each_credit_keeps_its_own_expiry(
        self, somebody: User, make_job: MakeJob
    ) -> None:
        gone, late, never = grant(somebody, 3, 3), grant(somebody, 3, 9), grant(somebody, 9)
        job = cost(make_job, somebody, 8)
        pass_time(somebody.pk, 3 * DAY)
        lifecycle.cancel(job_id=job.pk, by="user")
        assert latest(somebody) == ("refund", 8, [(gone, 3), (late, 3), (never, 2)])
        assert ledger.get_balance(user_id=somebody.pk) == 12
        assert expiry.write_expired() == 1
        assert latest(somebody) == ("expiry", -3, [(gone, -3)])
        assert open_grants(somebody) == [(late, 3), (never, 9)]

    def test_of_a_part_that_was_not_used_what_has_expired_burns(
        self, make_user: Callable[..., User], make_job: MakeJob
    ) -> None:
        user = make_user()
        gone, never = grant(user, 3, 3), grant(user, 3)
        job = cost(make_job, user, 6)
        pass_time(user.pk, 3 * DAY)
        with transaction.atomic():
            ledger.refund(user_id=user.pk, amount=5, job_id=job.pk)
        assert latest(user) == ("refund", 5, [(gone, 2), (never, 3)])
        assert ledger.get_balance(user_id=user.pk) == 3

    def test_the_grace_of_a_day_is_one_grant_and_a_cancel_adds_nothing_to_it(
        self, somebody: User, make_job: MakeJob
    ) -> None:
        gone = grant(somebody, 9, 3)
        jobs = [cost(make_job, somebody, 3) for _ in range(3)]
        pass_time(somebody.pk, 3 * DAY)
        lifecycle.expire(job_id=jobs[0].pk)
        lifecycle.cancel(job_id=jobs[1].pk, by="user")
        lifecycle.expire(job_id=jobs[2].pk)
        again = CreditGrant.objects.get(user=somebody, kind=GrantKind.REFUND)
        assert open_grants(somebody) == [(gone, 3), (again.pk, 6)]
        assert ledger.get_balance(user_id=somebody.pk) == 6


class TestExpiry:
    def test_it_is_a_row_of_the_ledger(self, somebody: User, make_job: MakeJob) -> None:
        first, second, never = grant(somebody, 3, 3), grant(somebody, 5, 4), grant(somebody, 9)
        cost(make_job, somebody, 1)
        pass_time(somebody.pk, 3 * DAY)
        assert expiry.count_expired() == 1
        assert (expiry.write_expired(), expiry.write_expired()) == (1, 0)
        assert latest(somebody) == ("expiry", -2, [(first, -2)])
        assert open_grants(somebody) == [(second, 5), (never, 9)]

    def test_all_that_has_expired_of_an_account_is_one_row(self, somebody: User) -> None:
        first, second = grant(somebody, 3, 3), grant(somebody, 5, 4)
        pass_time(somebody.pk, 9 * DAY)
        assert expiry.write_expired() == 1
        assert latest(somebody) == ("expiry", -8, [(first, -3), (second, -5)])

    def test_a_round_has_an_end(
        self, make_user: Callable[..., User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(expiry, "ACCOUNTS_AT_ONCE", 2)
        for user in (make_user(), make_user(), make_user()):
            grant(user, 1, 1)
            pass_time(user.pk, DAY)
        assert [expiry.write_expired() for _ in range(3)] == [2, 1, 0]


class TestTakingBack:
    def test_what_remains_goes(self, somebody: User, make_job: MakeJob) -> None:
        wrong = grant(somebody, 10, 3, source="wrong")
        never = grant(somebody, 5)
        cost(make_job, somebody, 4)
        assert take_back(somebody, source="wrong") == 6
        assert latest(somebody) == ("adjustment", -6, [(wrong, -6)])
        assert open_grants(somebody) == [(never, 5)]
        assert take_back(somebody, grant_id=wrong) == 0

    def test_or_a_part_of_it(self, somebody: User) -> None:
        wrong = grant(somebody, 10)
        assert take_back(somebody, grant_id=wrong, amount=3) == 3
        assert take_back(somebody, grant_id=wrong, amount=9) == 7
        assert open_grants(somebody) == []

    def test_what_a_refund_brings_back_later_is_taken_too(
        self, somebody: User, make_job: MakeJob
    ) -> None:
        wrong, never = grant(somebody, 10, 3), grant(somebody, 5)
        jobs = [cost(make_job, somebody, price) for price in (4, 8)]
        assert take_back(somebody, grant_id=wrong) == 0
        assert latest(somebody) == ("adjustment", 0, [(wrong, 0)])
        lifecycle.cancel(job_id=jobs[0].pk, by="user")
        assert latest(somebody) == ("adjustment", -4, [(wrong, -4)])
        pass_time(somebody.pk, 3 * DAY)
        lifecycle.cancel(job_id=jobs[1].pk, by="user")
        assert latest(somebody) == ("adjustment", -6, [(wrong, -6)])
        assert open_grants(somebody) == [(never, 5)]
        assert take_back(somebody, grant_id=wrong) == 0

    def test_of_a_part_only_that_part_is_owed(self, somebody: User, make_job: MakeJob) -> None:
        half = grant(somebody, 10)
        job = cost(make_job, somebody, 8)
        assert take_back(somebody, grant_id=half, amount=5) == 2
        lifecycle.cancel(job_id=job.pk, by="user")
        assert open_grants(somebody) == [(half, 5)]

    def test_of_expired_credits_what_is_owed_goes_and_the_rest_lives_on(
        self, somebody: User, make_job: MakeJob
    ) -> None:
        half = grant(somebody, 10, 3)
        job = cost(make_job, somebody, 8)
        assert take_back(somebody, grant_id=half, amount=5) == 2
        pass_time(somebody.pk, 3 * DAY)
        lifecycle.expire(job_id=job.pk)
        again = CreditGrant.objects.get(user=somebody, kind=GrantKind.REFUND)
        assert open_grants(somebody) == [(again.pk, 5)]

    def test_of_several_grants_what_remains_goes_first_and_what_is_owed_can_be_released(
        self, somebody: User, make_job: MakeJob
    ) -> None:
        named = {"user_id": somebody.pk, "sources": ["a", "b"]}
        older = grant(somebody, 10, source="a")
        newer = grant(somebody, 6, 3, source="b")
        job = cost(make_job, somebody, 8)
        with transaction.atomic():
            ledger.claw_back(**named, amount=11, reason="A dispute")
            assert latest(somebody) == ("adjustment", -8, [(older, -8), (newer, 0)])
            assert ledger.get_grant_balance(**named) == ledger.GrantBalance(
                remaining=5, outstanding=3
            )
            assert ledger.forgive_debt(**named, amount=2, reason="Won") == 2
            assert latest(somebody) == ("adjustment", 0, [(newer, 0)])
            assert ledger.get_grant_balance(**named) == ledger.GrantBalance(
                remaining=7, outstanding=1
            )
        lifecycle.cancel(job_id=job.pk, by="user")
        assert open_grants(somebody) == [(newer, 5), (older, 2)]
        with transaction.atomic():
            assert ledger.forgive_debt(**named, amount=9, reason="Won") == 0
            ledger.claw_back(**named, amount=100, reason="A dispute")
        assert open_grants(somebody) == []

    def test_only_ones_own(self, somebody: User, user: User) -> None:
        theirs = CreditGrant.objects.get(user=user).pk
        for named in ({"grant_id": theirs}, {"source": "nothing"}, {}):
            with pytest.raises(ledger.NoGrantProblem):
                take_back(somebody, **named)

    @pytest.mark.parametrize("wrong", [{"amount": 0}, {"amount": -1}, {"reason": " "}])
    def test_with_an_amount_and_a_reason(self, somebody: User, wrong: dict[str, Any]) -> None:
        number = grant(somebody, 10)
        with pytest.raises(ValueError, match=r"reason|use 1 to"), transaction.atomic():
            ledger.revoke_grant(
                user_id=somebody.pk, grant_id=number, **({"reason": "A mistake"} | wrong)
            )


class TestTime:
    def test_the_balance_of_a_past_time(self, somebody: User) -> None:
        moments = []
        for amount in range(1, 10):
            grant(somebody, amount)
            row = CreditTransaction.objects.filter(user=somebody).latest("seq")
            moments.append((row.created_at, row.balance_after))
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for number in range(1, 10):  # one an hour
                cursor.execute(
                    "UPDATE credit_transactions SET created_at = '2026-01-01Z'::timestamptz"
                    " + make_interval(hours => seq::int) WHERE user_id = %s AND seq = %s",
                    [somebody.pk, number],
                )
            cursor.execute("SET LOCAL session_replication_role = origin")
        start = datetime(2026, 1, 1, tzinfo=UTC)
        result = [
            balances.read_past_balance(
                user_id=somebody.pk, at=start + timedelta(minutes=30 * step)
            ).balance
            for step in range(21)
        ]
        sums = [sum(range(1, hour + 1)) for hour in range(10)]
        expected = [sums[min(9, step // 2)] for step in range(21)]
        assert result == expected

    def test_of_an_account_without_rows(self, somebody: User) -> None:
        assert balances.read_past_balance(user_id=somebody.pk, at=timezone.now()).balance == 0


# --- Concurrency -------------------------------------------------------------------------------


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each returned, all begun together."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


@pytest.mark.django_db(transaction=True)
def test_one_source_from_many_sides_gives_once(make_user: Callable[..., User]) -> None:
    user = make_user()

    def give() -> int:
        with transaction.atomic():
            return ledger.grant(user_id=user.pk, amount=7, source="stripe:in_2")

    assert at_once(*[give] * 8) == [7] * 8
    assert ledger_audit.verify_ledger().total == 0


@pytest.mark.django_db(transaction=True)
def test_all_movements_at_once_add_up(make_user: Callable[..., User]) -> None:
    user = make_user()
    for number in range(8):
        grant(user, 5, 1 + number)
    feature = get_feature("noop")

    def spend() -> None:
        for _ in range(5):
            parameters = submission.validate(
                feature=feature, user_id=user.pk, data={"price": 3, "used": 3}
            )
            result = submission.submit(
                feature=feature, user_id=user.pk, plan=None, parameters=parameters
            )
            lifecycle.cancel(job_id=result.job_id, by="user")

    def give() -> None:
        for _ in range(5):
            number = grant(user, 2, 1)
            take_back(user, grant_id=number, amount=1)

    def pass_on() -> None:
        for _ in range(5):
            pass_time(user.pk, timedelta(hours=6))
            expiry.write_expired()

    at_once(spend, spend, give, pass_on)
    assert ledger_audit.verify_ledger().findings == ()
