"""What each type of event makes us look at. An event says where to look, and nothing else."""

from collections.abc import Callable
from functools import partial

from accounts.billing import client, customers, payments, plans
from accounts.billing.errors import SetAsideError
from accounts.billing.models import BillingEvent, SetAsideReason


def handle_event(event: BillingEvent) -> None:
    """Bring the books to how things stand at Stripe now.

    Raises ``SetAsideError`` and the errors of `client`. Doing it again changes nothing.
    """
    if event.is_live != client.is_live():
        raise SetAsideError(SetAsideReason.OTHER_MODE)
    HANDLERS[event.type](event)


def _look_at_plan(event: BillingEvent) -> None:
    plans.sync_plan(customers.get_customer(event.customer_id))


def _look_at_invoice(event: BillingEvent) -> None:
    payments.settle_invoice(event.object_id)
    _look_at_plan(event)


def _look_at_payment(event: BillingEvent) -> None:
    payments.settle_payment(event.object_id)


def _look_at_payment_of(kind: str, event: BillingEvent) -> None:
    """Of a charge, a refund, …: what it is about is the payment that it belongs to."""
    intent_id = client.find_payment_id(kind, event.object_id)
    if intent_id is not None:
        payments.settle_payment(intent_id)


def _look_at_session(event: BillingEvent) -> None:
    """Of a session for a plan there is no payment of its own."""
    _look_at_payment_of("sessions", event)
    _look_at_plan(event)


_charge = partial(_look_at_payment_of, "charges")
_refund = partial(_look_at_payment_of, "refunds")
_dispute = partial(_look_at_payment_of, "disputes")

HANDLERS: dict[str, Callable[[BillingEvent], None]] = {
    "checkout.session.completed": _look_at_session,
    "checkout.session.async_payment_succeeded": _look_at_session,
    "payment_intent.succeeded": _look_at_payment,
    "invoice.paid": _look_at_invoice,
    "invoice.payment_failed": _look_at_plan,
    "customer.subscription.created": _look_at_plan,
    "customer.subscription.updated": _look_at_plan,
    "customer.subscription.deleted": _look_at_plan,
    "customer.subscription.paused": _look_at_plan,
    "customer.subscription.resumed": _look_at_plan,
    "charge.refunded": _charge,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.dispute.created": _dispute,
    "charge.dispute.updated": _dispute,
    "charge.dispute.funds_withdrawn": _dispute,
    "charge.dispute.funds_reinstated": _dispute,
    "charge.dispute.closed": _dispute,
}
"""Also what `stripe_sync` asks for: at most twenty types, as Stripe has it."""
