"""Granting the credits of payments, and clawing them back when the money is refunded or disputed.

Each time, the whole payment is compared with its current state at Stripe. So the result does not
depend on the type or order of the events.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.billing import client, clock, customers, offers
from accounts.billing.errors import SetAsideError
from accounts.billing.models import BillingPayment, PaymentKind, SetAsideReason
from accounts.billing.stripe_objects import Dispute, Invoice, Line, PaymentIntent
from credits import ledger
from credits.models import GrantKind

NOT_LOST = frozenset({"won", "prevented"})
INQUIRY = "warning_"
"""The prefix of the status of a dispute in which no money has moved."""
USER, PACK, CREDITS = "auteur_user", "auteur_pack", "auteur_credits"
"""The metadata keys of a payment for a pack, which we write when the pack is sold."""
NUMBER = re.compile("[1-9][0-9]{0,7}")
PAID = "paid"
SUCCEEDED = "succeeded"


@dataclass(frozen=True)
class Loss:
    """The money of a payment that was refunded or that a bank withholds, in the smallest unit."""

    amount: int = 0
    is_disputed: bool = False


@dataclass(frozen=True)
class Purchase:
    """The credits that a payment bought, and the user who paid."""

    user_id: UUID
    stripe_id: str
    kind: PaymentKind
    credits: int
    expires_at: datetime | None
    amount: int
    currency: str
    description: str


# --- Plans ------------------------------------------------------------------------------------


def sync_invoice(invoice_id: str) -> None:
    """Grant the credits of a paid invoice, and claw back those whose money was lost."""
    asked_at = clock.now()
    invoice = client.get_invoice(invoice_id)
    if invoice.status != PAID:
        return
    purchase = _find_recorded_purchase(invoice.id) or _build_invoice_purchase(invoice)
    losses = [_get_loss(payment) for payment in client.list_payments(invoice.id)]
    total_loss = Loss(sum(loss.amount for loss in losses), any(loss.is_disputed for loss in losses))
    _record_purchase(purchase, loss=total_loss, asked_at=asked_at)


def _build_invoice_purchase(invoice: Invoice) -> Purchase:
    customer = customers.get_customer(invoice.customer)
    _check_currency(invoice.currency, invoice.id)
    lines = client.list_invoice_lines(invoice.id)
    number = int(_compute_credits(lines) * _compute_paid_share(invoice, lines))
    ends = max((line.period.end for line in lines), default=0)
    grace = timedelta(days=settings.BILLING_GRACE_DAYS)
    expires_at = datetime.fromtimestamp(ends, UTC) + grace
    if number and expires_at <= clock.now():
        raise SetAsideError(SetAsideReason.PERIOD_OVER, invoice.id)
    return Purchase(
        user_id=customer.user_id,
        stripe_id=invoice.id,
        kind=PaymentKind.PLAN,
        credits=number,
        expires_at=expires_at,
        amount=invoice.amount_paid,
        currency=invoice.currency,
        description="Monthly credits",
    )


def _compute_credits(lines: Iterable[Line]) -> Fraction:
    """Return the credits of an invoice's lines, never below zero.

    Each line buys its plan's credits in proportion to its amount of the plan's price. So a fully
    paid period gives all credits, a trial none, an upgrade the difference for the remaining
    period, and a downgrade takes none away.
    """
    total = sum((_compute_line_credits(line) for line in lines if line.amount), start=Fraction(0))
    return max(Fraction(0), total)


def _compute_paid_share(invoice: Invoice, lines: Iterable[Line]) -> Fraction:
    """Return the share of an invoice that was paid with new money.

    Money from a customer's balance at Stripe was paid earlier and has already given credits.
    Without this, a user who switches between plans would get credits again with each upgrade. An
    invoice that costs nothing and moves no balance (a coupon of 100 %) counts as paid, unless it
    credits unused time.
    """
    if invoice.ending_balance is None:
        raise SetAsideError(SetAsideReason.UNREADABLE, invoice.id)
    balance_change = invoice.ending_balance - invoice.starting_balance
    if invoice.amount_paid:
        return Fraction(invoice.amount_paid, invoice.amount_paid + max(0, balance_change))
    credits_unused_time = any(line.amount < 0 for line in lines)
    return Fraction(0 if balance_change or credits_unused_time else 1)


def _compute_line_credits(line: Line) -> Fraction:
    offer = offers.find_plan(line.price) if line.price else None
    if offer is None:
        raise SetAsideError(SetAsideReason.UNKNOWN_PRICE, line.price or "a line without a price")
    price = client.get_price(offer.price)
    _check_currency(price.currency, offer.price)
    unit = price.unit_amount_decimal
    if not unit or unit <= 0:
        raise SetAsideError(SetAsideReason.UNKNOWN_PRICE, offer.price)
    return offer.credits * Fraction(line.amount) / Fraction(unit)


# --- Packs ------------------------------------------------------------------------------------


def sync_payment(intent_id: str) -> None:
    """Grant the credits of a payment, and claw back those whose money was lost."""
    asked_at = clock.now()
    payment = client.get_payment(intent_id)
    if CREDITS in payment.metadata:
        if payment.status == SUCCEEDED:
            purchase = _find_recorded_purchase(payment.id) or _build_pack_purchase(payment)
            _record_purchase(purchase, loss=_get_loss(payment), asked_at=asked_at)
    elif invoice_id := client.find_invoice(payment.id):
        sync_invoice(invoice_id)
    elif payment.status == SUCCEEDED:
        raise SetAsideError(SetAsideReason.UNKNOWN_PAYMENT, payment.id)


def _build_pack_purchase(payment: PaymentIntent) -> Purchase:
    customer = customers.get_customer(payment.customer)
    _check_currency(payment.currency, payment.id)
    if payment.metadata.get(USER) != str(customer.user_id):
        raise SetAsideError(SetAsideReason.CUSTOMER_MISMATCH, payment.id)
    number = payment.metadata[CREDITS]
    if not NUMBER.fullmatch(number) or int(number) > ledger.MAX_AMOUNT:
        raise SetAsideError(SetAsideReason.UNREADABLE, payment.id)
    return Purchase(
        user_id=customer.user_id,
        stripe_id=payment.id,
        kind=PaymentKind.PACK,
        credits=int(number),
        expires_at=None,
        amount=payment.amount_received,
        currency=payment.currency,
        description="Credits bought",
    )


# --- Payments and grants ----------------------------------------------------------------------


def _find_recorded_purchase(stripe_id: str) -> Purchase | None:
    """Return the purchase of a payment that has a row, or None.

    The row counts, because prices may have changed since.
    """
    row = BillingPayment.objects.filter(stripe_id=stripe_id).first()
    if row is None:
        return None
    return Purchase(
        user_id=row.user_id,
        stripe_id=stripe_id,
        kind=PaymentKind(row.kind),
        credits=row.credits,
        expires_at=row.expires_at,
        amount=row.amount,
        currency=row.currency,
        description="",
    )


def _check_currency(currency: str, stripe_id: str) -> None:
    if currency != settings.BILLING_CURRENCY:
        raise SetAsideError(SetAsideReason.OTHER_CURRENCY, stripe_id)


def _get_loss(payment: PaymentIntent) -> Loss:
    """Return how much of a payment was refunded, or is withheld because of a dispute."""
    charge = payment.latest_charge
    if charge is None:
        return Loss()
    disputes = client.list_disputes(payment.id) if charge.disputed else []
    disputed_amount = sum(dispute.amount for dispute in disputes if _withholds_money(dispute))
    amount = min(charge.amount_refunded + disputed_amount, payment.amount_received)
    return Loss(amount, bool(disputed_amount))


def _withholds_money(dispute: Dispute) -> bool:
    return dispute.status not in NOT_LOST and not dispute.status.startswith(INQUIRY)


@transaction.atomic
def _record_purchase(purchase: Purchase, *, loss: Loss, asked_at: datetime) -> None:
    """Record a purchase once, and claw back or restore credits in proportion to the loss.

    If a concurrent call asked Stripe later, its newer result stays.
    """
    row = _lock_payment(purchase)
    if row.checked_at >= asked_at:
        return
    row.checked_at, row.lost = asked_at, loss.amount
    row.withdrawn = _count_withdrawn_credits(row)
    if row.credits:
        _adjust_grants(row)
    row.save(update_fields=["checked_at", "lost", "withdrawn", "taken", "returns"])
    if row.shortfall:
        customers.flag_account(row.user_id, "Credits were gone whose payment went back")
    elif loss.is_disputed:
        customers.flag_account(row.user_id, "A payment is disputed")


def _lock_payment(purchase: Purchase) -> BillingPayment:
    """Return the payment's locked row; create it with its grant if there is none."""
    row, is_new = BillingPayment.objects.get_or_create(
        stripe_id=purchase.stripe_id,
        defaults={
            "user_id": purchase.user_id,
            "kind": purchase.kind,
            "credits": purchase.credits,
            "expires_at": purchase.expires_at,
            "amount": purchase.amount,
            "currency": purchase.currency,
            "checked_at": datetime(1970, 1, 1, tzinfo=UTC),
        },
    )
    if is_new and row.credits:
        ledger.open_account(user_id=row.user_id)
        kinds = {PaymentKind.PLAN: GrantKind.SUBSCRIPTION, PaymentKind.PACK: GrantKind.PURCHASE}
        ledger.grant(
            user_id=row.user_id,
            amount=row.credits,
            kind=kinds[purchase.kind],
            expires_at=row.expires_at,
            source=_list_sources(row)[0],
            description=purchase.description,
        )
    return BillingPayment.objects.select_for_update(no_key=True).get(pk=row.pk)


def _count_withdrawn_credits(row: BillingPayment) -> int:
    """Return how many credits are no longer paid for, rounded down."""
    if not row.amount or not row.lost:
        return 0
    return min(row.credits, row.credits * row.lost // row.amount)


def _adjust_grants(row: BillingPayment) -> None:
    """Claw back or restore credits until the payment's grants equal what is still paid for.

    Sets ``row.taken`` from the ledger, because a job's refund may have paid part of the debt.
    """
    user_id, sources = row.user_id, _list_sources(row)
    balance = ledger.get_grant_balance(user_id=user_id, sources=sources)
    change = row.credits - row.withdrawn - balance.remaining
    if change < 0:
        reason = "Payment refunded or disputed"
        ledger.claw_back(user_id=user_id, sources=sources, amount=-change, reason=reason)
    elif change > 0:
        reason = "Payment reinstated"
        change -= ledger.forgive_debt(
            user_id=user_id, sources=sources, amount=change, reason=reason
        )
        if change:
            _restore_credits(row, change)
    balance = ledger.get_grant_balance(user_id=user_id, sources=_list_sources(row))
    row.taken = max(0, min(row.credits - balance.remaining - balance.outstanding, row.withdrawn))


def _restore_credits(row: BillingPayment, number: int) -> None:
    """Grant credits again that were clawed back, after a won dispute or a failed refund."""
    grace = clock.now() + timedelta(days=settings.BILLING_GRACE_DAYS + 1)
    row.returns += 1
    ledger.grant(
        user_id=row.user_id,
        amount=number,
        kind=GrantKind.ADJUSTMENT,
        expires_at=row.expires_at and max(row.expires_at, grace),
        source=_list_sources(row)[-1],
        description="Payment reinstated",
    )


def _list_sources(row: BillingPayment) -> list[str]:
    """Return the sources of the payment's grant and of the grants that restored its credits."""
    first = f"stripe:{row.stripe_id}"
    return [first, *(f"{first}:{number}" for number in range(1, row.returns + 1))]
