"""A user who subscribes, spends, tops up, disputes and cancels, while processes are killed."""

import random

import pytest

from tests.accounts.billing.stripe_world import Object, World
from tests.journeys import shop
from tests.journeys.client import Person
from tests.journeys.recordings import INTERVIEW
from tests.journeys.shop import PACK_CREDITS, STARTER_CREDITS
from tests.journeys.stack import JourneyStack
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("stack")

GIVEN = 10
SECONDS = 120.0


def test_what_is_paid_is_had_once_and_what_is_taken_back_goes(
    stack: JourneyStack, world: World, person: Person, project_id: str
) -> None:
    media_id = person.media_of(project_id, INTERVIEW)
    subscription = bought(person, world, plan="starter")
    shuffled = world.events * 2
    random.Random(5).shuffle(shuffled)
    assert set(shop.tell(stack, shuffled[:3])) == {200}
    stack.process("orchestrator").kill()  # which works on events
    assert set(shop.tell(stack, shuffled[3:])) == {200}
    comes_to(person, GIVEN + STARTER_CREDITS)
    assert person.get("/users/me")["subscription"]["plan"] == "starter"

    # What expires first burns first: of the plan, whose period ends.
    job = person.wait_for(person.transcribe(media_id), SECONDS)
    assert job["status"] == "completed"
    remaining = {grant["kind"]: grant["remaining"] for grant in person.get("/credits")["grants"]}
    assert remaining == {"subscription": STARTER_CREDITS - 1, "promo": GIVEN}

    # Stripe told nobody, and is asked.
    payment = bought(person, world, pack="small")
    stack.manage("stripe_sync")
    comes_to(person, GIVEN + STARTER_CREDITS - 1 + PACK_CREDITS)

    count = len(world.events)
    world.dispute(payment)
    world.cancel(subscription)
    shop.tell(stack, world.events[count:])
    comes_to(person, GIVEN + STARTER_CREDITS - 1)
    until(lambda: person.get("/users/me")["subscription"] is None, SECONDS)

    moves = [(kind, amount) for kind, amount, _ in person.history()]
    assert moves == [
        ("bonus", GIVEN),
        ("subscription", STARTER_CREDITS),
        ("usage", -1),
        ("purchase", PACK_CREDITS),
        ("adjustment", -PACK_CREDITS),
    ]
    stack.manage("ledger_verify")


def bought(person: Person, world: World, **what: str) -> Object:
    """Go to Stripe's page and pay there; the subscription or payment."""
    page = person.post("/billing/checkout", dict(what))["url"]
    session = world.objects[page.rpartition("/")[2]]
    return world.complete(session)


def comes_to(person: Person, credits: int) -> None:
    """Wait for a balance."""
    until(lambda: person.get("/credits")["balance"] == credits, SECONDS, interval=0.5)
