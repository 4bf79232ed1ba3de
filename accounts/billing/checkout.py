"""Stripe's pages on which users buy plans and packs, and manage what they have bought."""

import hashlib
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from accounts.billing import client, customers, offers, payments, plans
from accounts.billing.client import StripeAwayError, StripeRefusedError
from accounts.billing.offers import Offer
from accounts.billing.stripe_objects import UnreadableError
from accounts.models import User
from auteur.core.api.problems import Problem, field_problem

logger = logging.getLogger(__name__)


class BillingUnavailableProblem(Problem):
    """Stripe does not answer, or rejected our request. Nothing was bought."""

    status_code = 503
    default_code = "billing_unavailable"
    default_detail = "The billing service is unavailable. Try again shortly."
    headers = {"Retry-After": "5"}


class AlreadySubscribedProblem(Problem):
    """The user has a subscription, so a second one would be charged as well."""

    status_code = 409
    default_code = "already_subscribed"
    default_detail = "You already have a plan. Change it in the portal (POST /billing/portal)."


class NothingBoughtProblem(Problem):
    """The user has not bought anything, so there is nothing to manage."""

    status_code = 409
    default_code = "nothing_bought"
    default_detail = (
        "You have not bought anything yet. Buy a plan or a pack first (POST /billing/checkout)."
    )


PROBLEMS = (client.BillingDisabledProblem, BillingUnavailableProblem)
"""The problems that every request which needs Stripe can answer."""


def buy_plan(*, user: User, name: str, key: str | None) -> str:
    """Return the URL of a page on which the user subscribes; raises a problem.

    The same ``key`` (of the client's request) gives the same page. Besides our own row, Stripe's
    subscriptions are checked, because our row may be lost or not yet written.
    """
    offer = get_offer(offers.list_plans(), "plan", name)
    current = user.subscription
    if current is not None and current.stripe_subscription_id is not None:
        raise AlreadySubscribedProblem
    with translate_stripe_errors():
        subscriptions = client.list_subscriptions(customers.get_or_create_customer(user).stripe_id)
    if any(row.status in (*plans.PAID, plans.UNPAID) for row in subscriptions):
        raise AlreadySubscribedProblem
    metadata = {payments.USER: str(user.pk)}
    return _create_checkout(
        user, offer, key, mode="subscription", subscription_data={"metadata": metadata}
    )


def buy_pack(*, user: User, name: str, key: str | None) -> str:
    """Return the URL of a page on which the user buys a pack; ``key`` as for `buy_plan`."""
    offer = get_offer(offers.list_packs(), "pack", name)
    metadata = build_payment_metadata(user, offer)
    return _create_checkout(
        user, offer, key, mode="payment", payment_intent_data={"metadata": metadata}
    )


def build_payment_metadata(user: User, offer: Offer) -> dict[str, str]:
    """Return the metadata from which `payments.sync_payment` later knows what was sold."""
    return {
        payments.USER: str(user.pk),
        payments.PACK: offer.name,
        payments.CREDITS: str(offer.credits),
    }


def create_portal_url(*, user: User) -> str:
    """Return the URL of a page on which the user manages plan, cards and invoices."""
    client.check_enabled()
    with translate_stripe_errors():
        customer = customers.find_customer(user)
    if customer is None:
        raise NothingBoughtProblem
    with translate_stripe_errors():
        return client.create_portal(
            customer_id=customer.stripe_id, return_url=settings.BILLING_RETURN_URL
        )


@contextmanager
def translate_stripe_errors() -> Iterator[None]:
    """Raise ``BillingUnavailableProblem`` if Stripe does not answer or rejects a request."""
    try:
        yield
    except (StripeAwayError, StripeRefusedError, UnreadableError) as exc:
        logger.warning("a request to Stripe failed: %s %s", type(exc).__name__, exc)
        raise BillingUnavailableProblem from exc


def get_offer(on_sale: dict[str, Offer], field: str, name: str) -> Offer:
    """Return the offer of that name; raises a problem about ``field`` if it is not on sale."""
    client.check_enabled()
    if name not in on_sale:
        names = ", ".join(on_sale) or "none"
        detail = f"{name} is not on sale. On sale are: {names}."
        raise field_problem(field, "not_on_sale", detail)
    return on_sale[name]


def _create_checkout(user: User, offer: Offer, key: str | None, **params: Any) -> str:
    params |= {
        "line_items": [{"price": offer.price, "quantity": 1}],
        "success_url": _build_return_url("success"),
        "cancel_url": _build_return_url("cancelled"),
    }
    with translate_stripe_errors():
        params["customer"] = customers.get_or_create_customer(user).stripe_id
        return client.create_checkout(params, key=_build_stripe_key(user, key))


def _build_stripe_key(user: User, key: str | None) -> str:
    """Return Stripe's idempotency key; equal keys of two users give two keys at Stripe."""
    name = f"{user.pk}:{key}" if key else uuid.uuid4().hex
    return f"checkout:{hashlib.sha256(name.encode()).hexdigest()}"


def _build_return_url(outcome: str) -> str:
    parts = urlsplit(settings.BILLING_RETURN_URL)
    query = "&".join(part for part in (parts.query, urlencode({"checkout": outcome})) if part)
    return parts._replace(query=query).geturl()
