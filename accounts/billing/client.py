"""Stripe by its library: what we ask, and what it means when there is no answer.

Every function may raise ``StripeAwayError``, ``StripeRefusedError``, ``objects.UnreadableError``.
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
from auteur.api.problems import Problem
from gpu_tasks.runtime.errors import AuteurError

if TYPE_CHECKING:
    import stripe

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
"""To connect, and between bytes of an answer."""
RETRIES = 1
"""By the library, at once; rows have tries of their own."""
MAX_LISTED = 100
"""Of one page, which is the most that Stripe gives."""
NOT_RENEWED = "auteur_not_renewed"
"""The mark of a subscription that we let end, because an account was closed."""
USER = "user"
"""The metadata of a customer that names our user."""
LIVE_KEYS = ("sk_live", "rk_live")


class BillingDisabledProblem(Problem):
    """There is no key of Stripe's."""

    status_code = 503
    default_code = "billing_disabled"
    default_detail = "Billing is disabled on this installation."


class StripeAwayError(AuteurError):
    """No answer, or none that is about what was asked: another time there may be one."""


class StripeRefusedError(AuteurError):
    """What was asked cannot be; ``code`` is Stripe's, and says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


RACES = ("idempotency_key_in_use", "lock_timeout")
"""Codes of what somebody else is doing just now."""
MISSING = "resource_missing"
"""The code of what Stripe does not know."""


class _Marked(stripe_objects.Created):
    metadata: dict[str, str] = {}


def is_live() -> bool:
    """Whether our key moves real money."""
    return settings.STRIPE_SECRET_KEY.startswith(LIVE_KEYS)


def check_enabled() -> None:
    """Raises ``BillingDisabledProblem``."""
    if not settings.STRIPE_SECRET_KEY:
        raise BillingDisabledProblem


@cache
def _client_of(key: str, api_url: str) -> "stripe.StripeClient":
    import stripe  # noqa: PLC0415 - only where something is sold

    return stripe.StripeClient(
        key,
        base_addresses={"api": api_url},
        max_network_retries=RETRIES,
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
    )


@contextmanager
def _asked() -> Iterator[Any]:
    """The part of the library for the first version of the API."""
    check_enabled()
    import stripe  # noqa: PLC0415 - half a second and 30 MB: only where something is sold

    try:
        yield _client_of(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_URL).v1
    except stripe.CardError as exc:
        # Only the code: the rest is about somebody's card.
        raise StripeRefusedError(exc.code or "card_declined") from None
    except (stripe.InvalidRequestError, stripe.IdempotencyError) as exc:
        if exc.code in RACES:
            raise StripeAwayError(exc.code) from exc
        raise StripeRefusedError(exc.code or "invalid_request") from exc
    except stripe.StripeError as exc:
        # A key that is wrong or may not do this comes here too: ops can change that.
        logger.warning("Stripe is away: %s, HTTP %s", type(exc).__name__, exc.http_status)
        raise StripeAwayError(type(exc).__name__) from exc


# --- What was paid ----------------------------------------------------------------------------


def get_invoice(invoice_id: str) -> stripe_objects.Invoice:
    """An invoice as it stands."""
    with _asked() as v1:
        return parse_object(stripe_objects.Invoice, v1.invoices.retrieve(invoice_id))


def list_invoice_lines(invoice_id: str) -> list[stripe_objects.Line]:
    """All lines of an invoice."""
    with _asked() as v1:
        found = v1.invoices.line_items.list(invoice_id, {"limit": MAX_LISTED})
        return [parse_object(stripe_objects.Line, line) for line in found.auto_paging_iter()]


def get_price(price_id: str) -> stripe_objects.Price:
    """What something costs."""
    with _asked() as v1:
        return parse_object(stripe_objects.Price, v1.prices.retrieve(price_id))


def list_payments(invoice_id: str) -> list[stripe_objects.PaymentIntent]:
    """By what an invoice was paid, as far as it was by payment intents."""
    with _asked() as v1:
        asked = {"invoice": invoice_id, "status": "paid", "limit": MAX_LISTED}
        found = v1.invoice_payments.list(asked).data
        paid = [
            parse_object(stripe_objects.InvoicePayment, one).payment.payment_intent for one in found
        ]
    return [get_payment(intent_id) for intent_id in paid if intent_id]


def find_invoice(intent_id: str) -> str | None:
    """The invoice that a payment intent belongs to, if it does."""
    with _asked() as v1:
        paid_by = {"type": "payment_intent", "payment_intent": intent_id}
        found = v1.invoice_payments.list({"payment": paid_by, "limit": 1}).data
        return parse_object(stripe_objects.InvoicePayment, found[0]).invoice if found else None


def get_payment(intent_id: str) -> stripe_objects.PaymentIntent:
    """A payment intent as it stands, with its last charge."""
    with _asked() as v1:
        found = v1.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]})
        return parse_object(stripe_objects.PaymentIntent, found)


def list_disputes(intent_id: str) -> list[stripe_objects.Dispute]:
    """All disputes about a payment."""
    with _asked() as v1:
        found = v1.disputes.list({"payment_intent": intent_id, "limit": MAX_LISTED})
        return [parse_object(stripe_objects.Dispute, one) for one in found.data]


def find_payment_id(kind: str, object_id: str) -> str | None:
    """The payment intent of a charge, refund, dispute or session (``charges``, …)."""
    with _asked() as v1:
        service = v1.checkout.sessions if kind == "sessions" else getattr(v1, kind)
        return parse_object(stripe_objects.OfPayment, service.retrieve(object_id)).payment_intent


# --- Who has which plan -----------------------------------------------------------------------


def list_subscriptions(customer_id: str) -> list[stripe_objects.Subscription]:
    """A customer's subscriptions that have not been cancelled."""
    with _asked() as v1:
        found = v1.subscriptions.list({"customer": customer_id, "limit": MAX_LISTED})
        return [parse_object(stripe_objects.Subscription, one) for one in found.data]


def stop_renewal(subscription_id: str) -> None:
    """Let a subscription end with the period that is paid, and mark that it was us."""
    with _asked() as v1:
        asked = {"cancel_at_period_end": True, "metadata": {NOT_RENEWED: "true"}}
        v1.subscriptions.update(subscription_id, asked)


def list_stopped_renewals(customer_id: str) -> list[str]:
    """Those of a customer's subscriptions that ``stop_renewal`` has marked."""
    with _asked() as v1:
        found = v1.subscriptions.list({"customer": customer_id, "limit": MAX_LISTED})
        marked = [parse_object(_Marked, one) for one in found.data]
    return [one.id for one in marked if NOT_RENEWED in one.metadata]


def resume_renewal(subscription_id: str) -> None:
    """Take back ``stop_renewal``, with its mark."""
    with _asked() as v1:
        asked = {"cancel_at_period_end": False, "metadata": {NOT_RENEWED: ""}}
        v1.subscriptions.update(subscription_id, asked)


def cancel_subscription(subscription_id: str) -> None:
    """End a subscription now, without a refund."""
    with _asked() as v1:
        v1.subscriptions.cancel(subscription_id)


# --- What is made -----------------------------------------------------------------------------


def find_user_id(customer_id: str) -> str | None:
    """Return the user id that we wrote on a customer when we created them, if we did."""
    with _asked() as v1:
        record = parse_object(stripe_objects.CustomerRecord, v1.customers.retrieve(customer_id))
    return None if record.deleted else record.metadata.get(USER)


def list_customers(*, user_id: str) -> list[str]:
    """Return the ids of the customers created for a user, the oldest first.

    Stripe's search lags behind by a minute or so; `create_customer` covers a day by its key.
    """
    with _asked() as v1:
        asked = {"query": f"metadata['{USER}']:'{user_id}'", "limit": MAX_LISTED}
        records = [
            parse_object(stripe_objects.CustomerRecord, row)
            for row in v1.customers.search(asked).data
        ]
    return [row.id for row in sorted(records, key=lambda row: row.created) if not row.deleted]


def create_customer(*, user_id: str, email: str) -> str:
    """A customer for a user, the same one if asked twice in a day; returns their id."""
    with _asked() as v1:
        asked = {"email": email, "metadata": {USER: user_id}}
        options = {"idempotency_key": f"customer:{user_id}"}
        return parse_object(stripe_objects.Created, v1.customers.create(asked, options)).id


def find_payment_method(customer_id: str) -> str | None:
    """By what a customer pays: what they chose, else what they added last."""
    with _asked() as v1:
        customer = parse_object(stripe_objects.Customer, v1.customers.retrieve(customer_id))
        if chosen := customer.invoice_settings.default_payment_method:
            return chosen
        found = v1.customers.payment_methods.list(customer_id, {"limit": 1}).data
        return parse_object(stripe_objects.Created, found[0]).id if found else None


def charge_payment(asked: dict[str, Any], *, key: str) -> stripe_objects.PaymentIntent:
    """A payment without its customer there, the same one if asked again with the key.

    Raises ``StripeRefusedError`` where the bank declines it, or wants the customer to be there.
    """
    with _asked() as v1:
        asked |= {
            "off_session": True,
            "confirm": True,
            "error_on_requires_action": True,
            # Without a page to come back to, as nobody is there.
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "expand": ["latest_charge"],
        }
        made = v1.payment_intents.create(asked, {"idempotency_key": key})
        return parse_object(stripe_objects.PaymentIntent, made)


def find_payment(
    name: dict[str, str], *, customer_id: str, since: datetime
) -> stripe_objects.PaymentIntent | None:
    """A customer's payment that was made with this metadata, if one was."""
    with _asked() as v1:
        asked = {
            "customer": customer_id,
            "created": {"gte": int(since.timestamp())},
            "limit": MAX_LISTED,
            "expand": ["data.latest_charge"],
        }
        found = v1.payment_intents.list(asked).auto_paging_iter()
        payments = (parse_object(stripe_objects.PaymentIntent, one) for one in found)
        return next((one for one in payments if name.items() <= one.metadata.items()), None)


def create_checkout(asked: dict[str, Any], *, key: str) -> str:
    """A page on which something is bought; returns its address."""
    with _asked() as v1:
        made = v1.checkout.sessions.create(asked, {"idempotency_key": key})
        return parse_object(stripe_objects.Page, made).url


def create_portal(*, customer_id: str, return_url: str) -> str:
    """A page on which a customer sees to plan, cards and invoices; returns its address."""
    with _asked() as v1:
        asked = {"customer": customer_id, "return_url": return_url}
        return parse_object(stripe_objects.Page, v1.billing_portal.sessions.create(asked)).url


# --- What happened ----------------------------------------------------------------------------


def list_events(seconds: int, types: list[str]) -> Iterator[stripe_objects.Event]:
    """Events of these types since then (in seconds since 1970), the newest first."""
    with _asked() as v1:
        asked = {"created": {"gte": seconds}, "types": types, "limit": MAX_LISTED}
        for event in v1.events.list(asked).auto_paging_iter():
            yield parse_object(stripe_objects.Event, event)
