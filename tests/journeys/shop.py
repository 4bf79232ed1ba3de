"""What the running stack sells, and how Stripe tells it of payments."""

import json
from collections.abc import Iterable

import requests

from tests.accounts.billing.stripe_server import KEY, signed
from tests.accounts.billing.stripe_world import Object, World
from tests.journeys.stack import JourneyStack

SECRET = "whsec_" + "j" * 32
STARTER, PACK = "price_starter", "price_pack"
STARTER_CREDITS, PACK_CREDITS = 100, 25
PRICES = {STARTER: 1000, PACK: 500}


def opened() -> World:
    """Stripe, with our prices."""
    world = World()
    for price, amount in PRICES.items():
        world.price(price, amount)
    return world


def settings(url: str) -> dict[str, str]:
    """Of a stack whose Stripe is there."""
    plans = {"starter": {"price": STARTER, "credits": STARTER_CREDITS}}
    packs = {"small": {"price": PACK, "credits": PACK_CREDITS}}
    return {
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_WEBHOOK_SECRETS": SECRET,
        "STRIPE_API_URL": url,
        "BILLING_RETURN_URL": "https://editor.example.com/account",
        "BILLING_PLANS": json.dumps(plans),
        "BILLING_PACKS": json.dumps(packs),
    }


def tell(stack: JourneyStack, events: Iterable[Object]) -> list[int]:
    """Send events to the webhook; the statuses that it answered."""
    answered = []
    for event in events:
        body = json.dumps(event).encode()
        headers = {"Stripe-Signature": signed(body, SECRET), "Content-Type": "application/json"}
        sent = requests.post(
            f"{stack.api_url}/billing/webhook", data=body, headers=headers, timeout=10
        )
        answered.append(sent.status_code)
    return answered
