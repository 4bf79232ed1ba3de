"""A Stripe on this machine, that sells two plans and a pack."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.billing import events
from accounts.billing.models import BillingCustomer, BillingEvent
from accounts.models import User
from credits import ledger
from tests.accounts.billing.stripe_server import KEY, served, signed
from tests.accounts.billing.stripe_world import Object, World

SECRET = "whsec_" + "a" * 32
STARTER, PRO, PACK = "price_starter", "price_pro", "price_pack"
STARTER_CREDITS, PRO_CREDITS, PACK_CREDITS = 100, 500, 250
PRICES = {STARTER: 1000, PRO: 4000, PACK: 2500}


@pytest.fixture
def world(settings: Any) -> Iterator[World]:
    """Stripe, as our settings have it."""
    world = World()
    for price, amount in PRICES.items():
        world.price(price, amount)
    with served(world) as url:
        settings.STRIPE_SECRET_KEY = KEY
        settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
        settings.STRIPE_API_URL = url
        settings.BILLING_RETURN_URL = "https://editor.example.com/account?tab=billing"
        settings.BILLING_PLANS = {
            "starter": [(STARTER, STARTER_CREDITS)],
            "pro": [(PRO, PRO_CREDITS)],
        }
        settings.BILLING_PACKS = {"small": [(PACK, PACK_CREDITS)]}
        yield world


@pytest.fixture
def buyer(make_user: Callable[..., User]) -> User:
    """A user with nothing."""
    return make_user()


@pytest.fixture
def customer(world: World, buyer: User) -> str:
    """The buyer's id at Stripe."""
    stripe_id = world.customer(email=buyer.email)["id"]
    BillingCustomer.objects.create(user=buyer, stripe_id=stripe_id)
    return str(stripe_id)


def sold(user: User) -> Object:
    """What the payment for a pack says of itself."""
    result = {"user": user.pk, "pack": "small", "credits": PACK_CREDITS}
    return {f"auteur_{name}": str(value) for name, value in result.items()}


def send(body: bytes, header: str) -> Any:
    """Send a message to the webhook."""
    return Client().post(
        "/billing/webhook",
        data=body,
        content_type="application/json",
        headers={"Stripe-Signature": header},
    )


def deliver(result: Iterable[Object]) -> None:
    """Have Stripe tell us, and work on it."""
    for event in result:
        body = json.dumps(event).encode()
        answer = send(body, signed(body, SECRET))
        assert answer.status_code == 200, answer.content
    work()


def work() -> None:
    """Work on all that is due."""
    while events.process_due_events():
        pass


def balance(user: User) -> int:
    """What the user can spend."""
    return ledger.get_balance(user_id=user.pk)


def states() -> dict[str, str]:
    """What has become of each event, by type; of several, the last that came."""
    rows = BillingEvent.objects.order_by("happened_at", "received_at")
    return {row.type: row.reason or row.state for row in rows}
