"""Whatever happens to grants in whatever order, as time moves on: the books are right.

`HYPOTHESIS_PROFILE=long` looks for minutes and elsewhere each time.
"""

import os
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from accounts.models import User
from credits import expiry, ledger
from credits.models import CreditGrant, Credits
from jobs import lifecycle, submission
from jobs.audit import ledger_audit
from tests.credits.clock import pass_time

pytestmark = [pytest.mark.django_db, pytest.mark.property]

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
PROFILE = settings(
    max_examples=400 if LONG else 8,
    stateful_step_count=60 if LONG else 25,
    derandomize=not LONG,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
DAY = timedelta(days=1)
LATE = 31
"""Days after which refunds of expired credits are over: 30, and the rest of the day."""
NEVER = 10**6
WHICH = st.integers(0, 9)


@dataclass
class Grant:
    """What is left of a grant that can be drawn until a day."""

    id: int
    left: int
    priority: int
    until: int
    given: int
    wanted: int = 0
    """What was wanted back of it."""
    owed: int = 0
    """What of that had been spent."""
    is_grace: bool = False
    """Its credits had expired before."""


class Account(RuleBasedStateMachine):
    """A user's grants, beside what they must be by plain arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.user = User.objects.create(email=f"{uuid.uuid4()}@example.com")
        Credits.objects.create(user=self.user)
        self.today = 0
        self.grants: dict[int, Grant] = {}
        self.jobs: list[tuple[UUID, list[tuple[int, int]]]] = []
        self.late: Grant | None = None

    @rule(
        amount=st.integers(1, 9),
        days=st.sampled_from([1, 2, 5, NEVER]),
        priority=st.sampled_from([50, ledger.DEFAULT_PRIORITY]),
    )
    def give(self, amount: int, days: int, priority: int) -> None:
        expires_at = None if days == NEVER else timezone.now() + days * DAY
        with transaction.atomic():
            ledger.grant(
                user_id=self.user.pk, amount=amount, expires_at=expires_at, priority=priority
            )
        until = NEVER if days == NEVER else self.today + days
        self._add(Grant(self._newest()[0], amount, priority, until, amount))

    @rule(prices=st.lists(st.integers(1, 6), min_size=1, max_size=3))
    def submit(self, prices: list[int]) -> None:
        """One job or several, which are charged all or not at all."""
        wanted = [{"type": "noop", "price": price, "used": price} for price in prices]
        if sum(prices) > self._spendable():
            with pytest.raises(ledger.InsufficientCreditsProblem) as refused:
                submission.submit_batch(user_id=self.user.pk, plan=None, items=wanted)
            told = {"balance": self._spendable(), "required": sum(prices)}
            assert refused.value.extra == told
            return
        result = submission.submit_batch(user_id=self.user.pk, plan=None, items=wanted).jobs
        self.jobs += [
            (job.job_id, self._draw(price)) for job, price in zip(result, prices, strict=True)
        ]

    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        """All comes back to its grants, and expires with those that have expired."""
        if not self.jobs:
            return
        job_id, drawn = self.jobs.pop(which % len(self.jobs))
        lifecycle.cancel(job_id=job_id, by="user")
        for number, amount in drawn:
            grant = self.grants[number]
            grant.left += amount - self._collect(grant, amount)

    @rule(which=WHICH)
    def fail(self, which: int) -> None:
        """We fail: what has expired can be spent for a while more, but not a second time."""
        if not self.jobs:
            return
        job_id, drawn = self.jobs.pop(which % len(self.jobs))
        lifecycle.expire(job_id=job_id)
        for number, amount in drawn:
            grant = self.grants[number]
            rest = amount - self._collect(grant, amount)
            if grant.until > self.today or grant.is_grace:
                grant.left += rest
            elif rest:
                self._refund_late(rest)

    @rule(which=WHICH, amount=st.one_of(st.none(), st.integers(1, 9)))
    def take_back(self, which: int, amount: int | None) -> None:
        if not self.grants:
            return
        grant = list(self.grants.values())[which % len(self.grants)]
        with transaction.atomic():
            taken = ledger.revoke_grant(
                user_id=self.user.pk, grant_id=grant.id, amount=amount, reason="A mistake"
            )
        wanted = max(grant.given - grant.wanted, grant.left)
        wanted = min(wanted, amount or wanted)
        assert taken == min(grant.left, wanted)
        grant.left -= taken
        grant.wanted += wanted
        grant.owed += wanted - taken

    @rule(days=st.integers(1, 20))
    def wait(self, days: int) -> None:
        pass_time(self.user.pk, days * DAY)
        self.today += days
        self.late = None

    @rule()
    def sweep(self) -> None:
        expiry.write_expired()
        for grant in self.grants.values():
            if grant.until <= self.today:
                grant.left = 0

    @invariant()
    def books_are_right(self) -> None:
        account = Credits.objects.get(user=self.user)
        open_grants = [(grant.id, grant.left) for grant in self._in_order() if grant.left]
        stored = list(zip(account.grant_ids, account.grant_remaining, strict=True))
        assert stored == open_grants
        assert account.balance == sum(account.grant_remaining)
        assert ledger.get_balance(user_id=self.user.pk) == self._spendable()

    def teardown(self) -> None:
        assert ledger_audit.check().findings == ()

    def _collect(self, grant: Grant, amount: int) -> int:
        """Take what is owed of credits that come back; how much that is."""
        collected = min(amount, grant.owed)
        grant.owed -= collected
        return collected

    def _add(self, grant: Grant) -> None:
        self.grants[grant.id] = grant

    def _newest(self) -> tuple[int, int]:
        """Its id, and what was given."""
        grant = CreditGrant.objects.filter(user=self.user).latest("id")
        return grant.pk, grant.amount

    def _in_order(self) -> list[Grant]:
        def turn(grant: Grant) -> tuple[int, int, int]:
            return grant.priority, grant.until, grant.id

        return sorted(self.grants.values(), key=turn)

    def _alive(self) -> list[Grant]:
        return [grant for grant in self._in_order() if grant.until > self.today]

    def _spendable(self) -> int:
        return sum(grant.left for grant in self._alive())

    def _draw(self, price: int) -> list[tuple[int, int]]:
        drawn = []
        for grant in self._alive():
            if share := min(price, grant.left):
                drawn.append((grant.id, share))
                grant.left -= share
                price -= share
        assert price == 0
        return drawn

    def _refund_late(self, amount: int) -> None:
        if self.late is None:
            until = self.today + LATE
            number, values = self._newest()
            self.late = Grant(number, 0, ledger.DEFAULT_PRIORITY, until, values, is_grace=True)
            self._add(self.late)
        self.late.left += amount


def test_grants_add_up_whatever_happens(db: Any) -> None:
    run_state_machine_as_test(Account, settings=PROFILE)
