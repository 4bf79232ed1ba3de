"""Requests to Stripe through its library, with its errors translated to ours.

Every function may raise ``StripeAwayError``, ``StripeRefusedError`` and
``stripe_objects.UnreadableError``.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings

from accounts.billing import stripe_objects
from accounts.billing.stripe_objects import parse_object
from auteur.core.api.problems import Problem
from gpu_tasks.runtime.errors import AuteurError

if TYPE_CHECKING:
    import stripe

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
"""The limit for connecting, and for the pause between two bytes of a response."""
RETRIES = 1
"""Immediate retries by the library. Events and top-ups have retries of their own."""
MAX_LISTED = 100
"""The size of a page, the largest that Stripe allows."""
NOT_RENEWED = "auteur_not_renewed"
"""The metadata key of a subscription whose renewal we stopped because its account was closed."""
USER = "user"
"""The metadata key of a customer that holds the id of our user."""
LIVE_KEYS = ("sk_live", "rk_live")


class BillingDisabledProblem(Problem):
    """This installation sells nothing, because it has no Stripe key."""

    status_code = 503
    default_code = "billing_disabled"
    default_detail = "Billing is disabled on this installation. Nothing can be bought here."


class StripeAwayError(AuteurError):
    """Stripe did not answer the request itself. A retry may succeed."""


class StripeRefusedError(AuteurError):
    """Stripe rejected the request; ``code`` is Stripe's error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


RACES = ("idempotency_key_in_use", "lock_timeout")
"""Error codes of conflicts with a concurrent request."""
MISSING = "resource_missing"
"""The error code for an object that Stripe does not know."""


class _SubscriptionMetadata(stripe_objects.Created):
    metadata: dict[str, str] = {}


def is_live() -> bool:
    """Return True if our key moves real money."""
    return settings.STRIPE_SECRET_KEY.startswith(LIVE_KEYS)


def check_enabled() -> None:
    """Raise ``BillingDisabledProblem`` if no Stripe key is set."""
    if not settings.STRIPE_SECRET_KEY:
        raise BillingDisabledProblem


@cache
def _build_client(key: str, api_url: str) -> "stripe.StripeClient":
    import stripe  # noqa: PLC0415 - only where something is sold

    return stripe.StripeClient(
        key,
        base_addresses={"api": api_url},
        max_network_retries=RETRIES,
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
    )


@contextmanager
def _stripe_api() -> Iterator[Any]:
    """Yield the library's services of the v1 API, and translate its errors."""
    check_enabled()
    import stripe  # noqa: PLC0415 - half a second and 30 MB: only where something is sold

    try:
        yield _build_client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_URL).v1
    except stripe.CardError as exc:
        # Only the code is kept, because the message describes the customer's card.
        raise StripeRefusedError(exc.code or "card_declined") from None
    except (stripe.InvalidRequestError, stripe.IdempotencyError) as exc:
        if exc.code in RACES:
            raise StripeAwayError(exc.code) from exc
        raise StripeRefusedError(exc.code or "invalid_request") from exc
    except stripe.StripeError as exc:
        # An invalid or restricted key also ends here, because operators can replace it.
        logger.warning("Stripe is away: %s, HTTP %s", type(exc).__name__, exc.http_status)
        raise StripeAwayError(type(exc).__name__) from exc


# --- Payments ---------------------------------------------------------------------------------


def get_invoice(invoice_id: str) -> stripe_objects.Invoice:
    """Return the current state of an invoice."""
    with _stripe_api() as v1:
        return parse_object(stripe_objects.Invoice, v1.invoices.retrieve(invoice_id))


def list_invoice_lines(invoice_id: str) -> list[stripe_objects.Line]:
    """Return all lines of an invoice."""
    with _stripe_api() as v1:
        page = v1.invoices.line_items.list(invoice_id, {"limit": MAX_LISTED})
        return [parse_object(stripe_objects.Line, line) for line in page.auto_paging_iter()]


def get_price(price_id: str) -> stripe_objects.Price:
    """Return a price."""
    with _stripe_api() as v1:
        return parse_object(stripe_objects.Price, v1.prices.retrieve(price_id))


def list_payments(invoice_id: str) -> list[stripe_objects.PaymentIntent]:
    """Return the payment intents that paid an invoice."""
    with _stripe_api() as v1:
        params = {"invoice": invoice_id, "status": "paid", "limit": MAX_LISTED}
        rows = v1.invoice_payments.list(params).data
        intent_ids = [
            parse_object(stripe_objects.InvoicePayment, row).payment.payment_intent for row in rows
        ]
    return [get_payment(intent_id) for intent_id in intent_ids if intent_id]


def find_invoice(intent_id: str) -> str | None:
    """Return the id of the invoice that a payment intent belongs to, or None."""
    with _stripe_api() as v1:
        payment = {"type": "payment_intent", "payment_intent": intent_id}
        rows = v1.invoice_payments.list({"payment": payment, "limit": 1}).data
        return parse_object(stripe_objects.InvoicePayment, rows[0]).invoice if rows else None


def get_payment(intent_id: str) -> stripe_objects.PaymentIntent:
    """Return the current state of a payment intent, with its last charge."""
    with _stripe_api() as v1:
        payment = v1.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]})
        return parse_object(stripe_objects.PaymentIntent, payment)


def list_disputes(intent_id: str) -> list[stripe_objects.Dispute]:
    """Return the disputes about a payment, at most a page of them."""
    with _stripe_api() as v1:
        page = v1.disputes.list({"payment_intent": intent_id, "limit": MAX_LISTED})
        return [parse_object(stripe_objects.Dispute, dispute) for dispute in page.data]


def find_payment_id(kind: str, object_id: str) -> str | None:
    """Return the payment intent id of a charge, refund, dispute or session, or None.

    ``kind`` is the name of its service: ``charges``, ``refunds``, ``disputes`` or ``sessions``.
    """
    with _stripe_api() as v1:
        service = v1.checkout.sessions if kind == "sessions" else getattr(v1, kind)
        return parse_object(stripe_objects.PaymentPart, service.retrieve(object_id)).payment_intent


# --- Subscriptions ----------------------------------------------------------------------------


def list_subscriptions(customer_id: str) -> list[stripe_objects.Subscription]:
    """Return a customer's subscriptions that have not been cancelled."""
    with _stripe_api() as v1:
        page = v1.subscriptions.list({"customer": customer_id, "limit": MAX_LISTED})
        return [
            parse_object(stripe_objects.Subscription, subscription) for subscription in page.data
        ]


def stop_renewal(subscription_id: str) -> None:
    """Let a subscription end with its paid period, and mark that we stopped its renewal."""
    with _stripe_api() as v1:
        params = {"cancel_at_period_end": True, "metadata": {NOT_RENEWED: "true"}}
        v1.subscriptions.update(subscription_id, params)


def list_stopped_renewals(customer_id: str) -> list[str]:
    """Return the ids of a customer's subscriptions that `stop_renewal` has marked."""
    with _stripe_api() as v1:
        page = v1.subscriptions.list({"customer": customer_id, "limit": MAX_LISTED})
        subscriptions = [parse_object(_SubscriptionMetadata, row) for row in page.data]
    return [
        subscription.id for subscription in subscriptions if NOT_RENEWED in subscription.metadata
    ]


def resume_renewal(subscription_id: str) -> None:
    """Undo `stop_renewal` and remove its mark."""
    with _stripe_api() as v1:
        params = {"cancel_at_period_end": False, "metadata": {NOT_RENEWED: ""}}
        v1.subscriptions.update(subscription_id, params)


def cancel_subscription(subscription_id: str) -> None:
    """Cancel a subscription immediately, without a refund."""
    with _stripe_api() as v1:
        v1.subscriptions.cancel(subscription_id)


# --- Customers, charges and pages -------------------------------------------------------------


def find_user_id(customer_id: str) -> str | None:
    """Return the user id in a customer's metadata, or None if we did not create the customer."""
    with _stripe_api() as v1:
        record = parse_object(stripe_objects.CustomerRecord, v1.customers.retrieve(customer_id))
    return None if record.deleted else record.metadata.get(USER)


def list_customers(*, user_id: str) -> list[str]:
    """Return the ids of the customers created for a user, the oldest first.

    Stripe's search lags behind by a minute or so; `create_customer` covers a day by its key.
    """
    with _stripe_api() as v1:
        params = {"query": f"metadata['{USER}']:'{user_id}'", "limit": MAX_LISTED}
        records = [
            parse_object(stripe_objects.CustomerRecord, row)
            for row in v1.customers.search(params).data
        ]
    return [row.id for row in sorted(records, key=lambda row: row.created) if not row.deleted]


def create_customer(*, user_id: str, email: str) -> str:
    """Create a customer for a user and return its id; within a day, the same customer again."""
    with _stripe_api() as v1:
        params = {"email": email, "metadata": {USER: user_id}}
        options = {"idempotency_key": f"customer:{user_id}"}
        return parse_object(stripe_objects.Created, v1.customers.create(params, options)).id


def find_payment_method(customer_id: str) -> str | None:
    """Return the id of a customer's default payment method, else the one they added last."""
    with _stripe_api() as v1:
        customer = parse_object(stripe_objects.Customer, v1.customers.retrieve(customer_id))
        if default_id := customer.invoice_settings.default_payment_method:
            return default_id
        rows = v1.customers.payment_methods.list(customer_id, {"limit": 1}).data
        return parse_object(stripe_objects.Created, rows[0]).id if rows else None


def charge_payment(params: dict[str, Any], *, key: str) -> stripe_objects.PaymentIntent:
    """Charge a customer who is not present; with the same key, return the same payment.

    Raises ``StripeRefusedError`` if the bank declines it or requires the customer's presence.
    """
    with _stripe_api() as v1:
        params |= {
            "off_session": True,
            "confirm": True,
            "error_on_requires_action": True,
            # No redirects: there is no browser to come back to a page.
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "expand": ["latest_charge"],
        }
        payment = v1.payment_intents.create(params, {"idempotency_key": key})
        return parse_object(stripe_objects.PaymentIntent, payment)


def find_payment(
    name: dict[str, str], *, customer_id: str, since: datetime
) -> stripe_objects.PaymentIntent | None:
    """Return a customer's payment since then whose metadata include ``name``, or None."""
    with _stripe_api() as v1:
        params = {
            "customer": customer_id,
            "created": {"gte": int(since.timestamp())},
            "limit": MAX_LISTED,
            "expand": ["data.latest_charge"],
        }
        for row in v1.payment_intents.list(params).auto_paging_iter():
            payment = parse_object(stripe_objects.PaymentIntent, row)
            if name.items() <= payment.metadata.items():
                return payment
    return None


def create_checkout(params: dict[str, Any], *, key: str) -> str:
    """Create a checkout page and return its URL."""
    with _stripe_api() as v1:
        page = v1.checkout.sessions.create(params, {"idempotency_key": key})
        return parse_object(stripe_objects.Page, page).url


def create_portal(*, customer_id: str, return_url: str) -> str:
    """Create a page where a customer manages plan, cards and invoices, and return its URL."""
    with _stripe_api() as v1:
        params = {"customer": customer_id, "return_url": return_url}
        return parse_object(stripe_objects.Page, v1.billing_portal.sessions.create(params)).url


# --- Events -----------------------------------------------------------------------------------


def list_events(seconds: int, types: list[str]) -> Iterator[stripe_objects.Event]:
    """Yield the events of these types since a Unix time in seconds, the newest first."""
    with _stripe_api() as v1:
        params = {"created": {"gte": seconds}, "types": types, "limit": MAX_LISTED}
        for event in v1.events.list(params).auto_paging_iter():
            yield parse_object(stripe_objects.Event, event)
