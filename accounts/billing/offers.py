"""What is sold: plans and packs of credits, by prices of Stripe's (``BILLING_PLANS``, …)."""

from dataclasses import dataclass

from django.conf import settings

from accounts.models import Plan


@dataclass(frozen=True)
class Offer:
    """A price, and the credits that it buys: a plan's for each period, a pack's once."""

    name: str
    price: str
    credits: int


def list_plans() -> dict[str, Offer]:
    """The plans on sale, the smallest first."""
    return {name: _sold(settings.BILLING_PLANS, name) for name in list_plan_names()}


def list_packs() -> dict[str, Offer]:
    """The packs on sale, the smallest first."""
    sold = [_sold(settings.BILLING_PACKS, name) for name in settings.BILLING_PACKS]
    return {offer.name: offer for offer in sorted(sold, key=lambda offer: offer.credits)}


def list_plan_names() -> list[str]:
    """Names of the plans that have a price, the smallest first."""
    return [plan for plan in Plan.values if plan in settings.BILLING_PLANS]


def find_plan(price: str) -> Offer | None:
    """The plan that a price buys or has bought."""
    for name, offers in settings.BILLING_PLANS.items():
        for known, number in offers:
            if known == price:
                return Offer(name, price, number)
    return None


def _sold(offers: dict[str, list[tuple[str, int]]], name: str) -> Offer:
    price, number = offers[name][0]
    return Offer(name, price, number)
