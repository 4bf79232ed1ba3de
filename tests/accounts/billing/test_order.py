"""Property: whatever happens at Stripe, and however we are told, the books end the same.

Events are shuffled, doubled and dropped; `stripe_sync` finds what was dropped.
"""

import json
import random
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from accounts.billing.models import BillingEvent, BillingPayment, EventState
from credits.models import Credits, CreditTransaction
from tests.accounts.billing.conftest import (
    PACK_CREDITS,
    PRICES,
    PRO,
    PRO_CREDITS,
    STARTER,
    STARTER_CREDITS,
    balance,
    deliver,
    sold,
    work,
)
from tests.accounts.billing.stripe_world import World
from tests.properties import examples

STEPS = (
    *("subscribe", "renew", "upgrade", "downgrade", "fail", "cancel"),
    *("buy", "refund", "part", "dispute"),
)
PLANS = {STARTER: ("starter", STARTER_CREDITS), PRO: ("pro", PRO_CREDITS)}


class Story:
    """What a customer and their bank do, and what the books must say in the end."""

    def __init__(self, world: World, customer: str, user) -> None:
        self.world, self.customer, self.user = world, customer, user
        self.subscription: Any = None
        self.paid: dict[str, list[int]] = {}  # credits, amount and loss of each payment
        self.disputes: list = []

    def step(self, name: str, rng: random.Random) -> None:
        getattr(self, f"_{name}")(rng)

    def _bill(self, number: int) -> None:
        (invoice, *_) = self.world.all_of("invoice")
        if paid := invoice["amount_paid"]:
            payment = self.world.payment_of(invoice)
            self.paid[payment["id"]] = [number * paid // invoice["total"], paid, 0]

    def _subscribe(self, rng: random.Random) -> None:
        if self.subscription is None:
            price = rng.choice([STARTER, PRO])
            self.subscription = self.world.subscribe(self.customer, price)
            self._bill(PLANS[price][1])

    def _renew(self, rng: random.Random) -> None:
        if self.subscription:
            self.world.renew(self.subscription)
            self._bill(PLANS[self._price()][1])

    def _price(self) -> str:
        return str(self.subscription["items"]["data"][0]["price"]["id"])

    def _upgrade(self, rng: random.Random) -> None:
        if self.subscription and self._price() == STARTER:
            self.world.change_price(self.subscription, PRO)
            self._bill((PRO_CREDITS - STARTER_CREDITS) // 2)

    def _downgrade(self, rng: random.Random) -> None:
        if self.subscription and self._price() == PRO:
            self.world.change_price(self.subscription, STARTER)

    def _fail(self, rng: random.Random) -> None:
        if self.subscription:
            self.world.fail_to_renew(self.subscription)

    def _cancel(self, rng: random.Random) -> None:
        if self.subscription:
            self.world.cancel(self.subscription)
            self.subscription = None

    def _buy(self, rng: random.Random) -> None:
        payment = self.world.pay(self.customer, 2500, sold(self.user))
        self.paid[payment["id"]] = [PACK_CREDITS, 2500, 0]
        self.world.tell("payment_intent.succeeded", payment)

    def _refund(self, rng: random.Random, amount: int | None = None) -> None:
        remaining = [key for key, (_, total, loss) in sorted(self.paid.items()) if loss < total]
        if remaining:
            key = rng.choice(remaining)
            _, total, loss = self.paid[key]
            amount = total - loss if amount is None else min(amount, total - loss)
            self.world.refund(self.world.objects[key], amount)
            self.paid[key][2] += amount

    def _part(self, rng: random.Random) -> None:
        self._refund(rng, rng.randrange(1, 2000))

    def _dispute(self, rng: random.Random) -> None:
        untouched = [key for key, (_, _, loss) in sorted(self.paid.items()) if not loss]
        if untouched:
            key = rng.choice(untouched)
            dispute = self.world.dispute(self.world.objects[key])
            if rng.random() < 0.5:
                self.world.decide(dispute, "won")
            else:
                self.paid[key][2] = self.paid[key][1]

    @property
    def balance(self) -> int:
        """A payment of nothing is never lost."""
        return sum(number - number * loss // total for number, total, loss in self.paid.values())

    @property
    def plan(self) -> str | None:
        return PLANS[self._price()][0] if self.subscription else None


def tell_anyhow(result: list, rng: random.Random) -> None:
    """Some of it twice, some not at all, in any order."""
    results = [event for event in result for _ in range(rng.choice([0, 1, 1, 2]))]
    rng.shuffle(results)
    deliver(results)


def check(story: Story) -> None:
    assert set(BillingEvent.objects.values_list("state", flat=True)) <= {EventState.DONE}
    assert (balance(story.user), story.user.plan) == (story.balance, story.plan)
    rows = CreditTransaction.objects.filter(user=story.user).values_list("amount", flat=True)
    account = Credits.objects.get(user=story.user)
    assert sum(rows) == account.balance == story.balance
    payments = BillingPayment.objects.filter(user=story.user)
    assert sum(row.credits - row.withdrawn for row in payments) == story.balance
    assert not any(row.shortfall for row in payments)


@pytest.fixture
def fresh(world, make_user):
    """A new customer, in a Stripe where nothing happened yet."""
    from accounts.billing.models import BillingCustomer

    def make() -> Story:
        BillingEvent.objects.all().delete()
        world.objects = {key: item for key, item in world.objects.items() if key in PRICES}
        world.events.clear()
        user = make_user()
        customer = world.customer()["id"]
        BillingCustomer.objects.create(user=user, stripe_id=customer)
        return Story(world, customer, user)

    return make


@examples(short=3, long=400)
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=8),
    seed=st.integers(min_value=0, max_value=2**32),
)
def test_the_books_are_right_however_we_are_told(fresh, steps, seed):
    story, rng = fresh(), random.Random(seed)
    for number, name in enumerate(["subscribe", *steps]):
        story.step(name, rng)
        if rng.random() < 0.3 or number == len(steps) // 2:
            tell_anyhow(story.world.events, rng)
    tell_anyhow(story.world.events, rng)
    call_command("stripe_sync", stdout=StringIO())
    work()
    check(story)
    tell_anyhow(story.world.events, rng)
    check(story)


class TestSync:
    def test_it_finds_what_was_missed_and_says_how_much(self, world, customer, buyer):
        world.subscribe(customer, PRO)
        first, *missed = world.events
        deliver([first])
        out = StringIO()
        call_command("stripe_sync", "--json", stdout=out)
        answer = json.loads(out.getvalue())
        assert (answer["listed"], answer["found"], answer["complete"]) == (3, len(missed), True)
        assert balance(buyer) == 0
        work()
        assert (balance(buyer), buyer.plan) == (PRO_CREDITS, "pro")
        assert BillingEvent.objects.filter(is_found=True).count() == len(missed)

    def test_it_reads_page_after_page(self, world, customer):
        payment = world.pay(customer, 100, {})
        for _ in range(150):
            world.tell("charge.refunded", world.charge_of(payment))
        call_command("stripe_sync", stdout=StringIO())
        assert BillingEvent.objects.count() == 150
        assert world.asked.count("GET /v1/events") == 2

    def test_it_looks_back_from_the_last_event_that_we_know(self, world, customer, buyer):
        from accounts.billing import missed_events

        overlap = int(missed_events.OVERLAP.total_seconds())
        now, payment = world.now, world.pay(customer, 2500, sold(buyer))
        for ago in (overlap + 60, overlap - 60):
            world.now = now - ago
            world.tell("payment_intent.succeeded", payment)
        world.now = now
        deliver([world.tell("customer.updated", world.objects[customer])])
        call_command("stripe_sync", stdout=StringIO())
        assert BillingEvent.objects.filter(is_found=True).count() == 1
        call_command("stripe_sync", "--days", "30", stdout=StringIO())
        assert BillingEvent.objects.filter(is_found=True).count() == 2

    def test_it_is_bounded_and_says_so(self, world, customer, monkeypatch):
        from django.core.management.base import CommandError

        from accounts.billing import missed_events

        for _ in range(3):
            world.tell("invoice.paid", {"id": "in_1", "object": "invoice"})
        done = missed_events.fetch_missed_events(limit=3)
        assert (done.listed, done.is_complete) == (3, False)
        for days in ("0", "31"):
            with pytest.raises(CommandError, match="1 to 30 days"):
                call_command("stripe_sync", "--days", days)

    def test_without_stripe_it_says_so(self, world, db, settings):
        from django.core.management.base import CommandError

        world.is_away = True
        with pytest.raises(CommandError, match="request to Stripe failed"):
            call_command("stripe_sync")
        settings.STRIPE_SECRET_KEY = ""
        with pytest.raises(CommandError, match="STRIPE_SECRET_KEY"):
            call_command("stripe_sync")

    def test_the_orchestrator_does_it_and_bears_it_when_stripe_is_away(
        self, world, customer, buyer, caplog
    ):
        from accounts.billing.processing import find_missed_events

        world.subscribe(customer, PRO)
        world.is_away = True
        assert find_missed_events() == 0
        assert "cannot be fetched from Stripe" in caplog.text
        world.is_away = False
        assert find_missed_events() == 0
        assert "has missed 3 of 3 events" in caplog.text
        work()
        assert (balance(buyer), buyer.plan) == (PRO_CREDITS, "pro")
