"""The plans and packs on sale, with their Stripe prices (``BILLING_PLANS``, ``BILLING_PACKS``)."""

from dataclasses import dataclass

from django.conf import settings

from accounts.models import Plan


@dataclass(frozen=True)
class Offer:
    """A price and the credits that it buys: for a plan in each period, for a pack once."""

    name: str
    price: str
    credits: int


def list_plans() -> dict[str, Offer]:
    """Return the plans on sale by name, the smallest first."""
    return {name: _build_current_offer(settings.BILLING_PLANS, name) for name in list_plan_names()}


def list_packs() -> dict[str, Offer]:
    """Return the packs on sale by name, the smallest first."""
    packs = [_build_current_offer(settings.BILLING_PACKS, name) for name in settings.BILLING_PACKS]
    return {offer.name: offer for offer in sorted(packs, key=lambda offer: offer.credits)}


def list_plan_names() -> list[str]:
    """Return the names of the plans that have a price, the smallest first."""
    return [plan for plan in Plan.values if plan in settings.BILLING_PLANS]


def find_plan(price: str) -> Offer | None:
    """Return the plan that a current or former price buys, or None."""
    for name, offers in settings.BILLING_PLANS.items():
        for plan_price, number in offers:
            if plan_price == price:
                return Offer(name, price, number)
    return None


def _build_current_offer(offers: dict[str, list[tuple[str, int]]], name: str) -> Offer:
    price, number = offers[name][0]
    return Offer(name, price, number)
