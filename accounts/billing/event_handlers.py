"""The handler of each event type. An event only names an object; its state is read from Stripe."""

from collections.abc import Callable
from functools import partial

from accounts.billing import client, customers, payments, plans
from accounts.billing.errors import SetAsideError
from accounts.billing.models import BillingEvent, SetAsideReason


def handle_event(event: BillingEvent) -> None:
    """Bring plans and credits in line with the current state at Stripe.

    Raises ``SetAsideError`` and the errors of `client`. A repetition changes nothing.
    """
    if event.is_live != client.is_live():
        raise SetAsideError(SetAsideReason.OTHER_MODE)
    HANDLERS[event.type](event)


def _sync_plan(event: BillingEvent) -> None:
    plans.sync_plan(customers.get_customer(event.customer_id))


def _settle_invoice(event: BillingEvent) -> None:
    payments.sync_invoice(event.object_id)
    _sync_plan(event)


def _settle_payment(event: BillingEvent) -> None:
    payments.sync_payment(event.object_id)


def _sync_related_payment(kind: str, event: BillingEvent) -> None:
    """Settle the payment of a charge, refund, dispute or session."""
    intent_id = client.find_payment_id(kind, event.object_id)
    if intent_id is not None:
        payments.sync_payment(intent_id)


def _sync_session(event: BillingEvent) -> None:
    """Settle a checkout session; a session for a plan has no payment, so sync the plan too."""
    _sync_related_payment("sessions", event)
    _sync_plan(event)


_sync_charge = partial(_sync_related_payment, "charges")
_sync_refund = partial(_sync_related_payment, "refunds")
_sync_dispute = partial(_sync_related_payment, "disputes")

HANDLERS: dict[str, Callable[[BillingEvent], None]] = {
    "checkout.session.completed": _sync_session,
    "checkout.session.async_payment_succeeded": _sync_session,
    "payment_intent.succeeded": _settle_payment,
    "invoice.paid": _settle_invoice,
    "invoice.payment_failed": _sync_plan,
    "customer.subscription.created": _sync_plan,
    "customer.subscription.updated": _sync_plan,
    "customer.subscription.deleted": _sync_plan,
    "customer.subscription.paused": _sync_plan,
    "customer.subscription.resumed": _sync_plan,
    "charge.refunded": _sync_charge,
    "refund.created": _sync_refund,
    "refund.updated": _sync_refund,
    "refund.failed": _sync_refund,
    "charge.dispute.created": _sync_dispute,
    "charge.dispute.updated": _sync_dispute,
    "charge.dispute.funds_withdrawn": _sync_dispute,
    "charge.dispute.funds_reinstated": _sync_dispute,
    "charge.dispute.closed": _sync_dispute,
}
"""The handlers by event type. `stripe_sync` lists these types; Stripe allows at most 20."""
