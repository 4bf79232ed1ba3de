"""What payments buy, and what is taken back where the money goes back.

A payment is looked at whole, as it stands at Stripe now: whichever event made us look, and in
whichever order events come, the books end the same.
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
"""How the status of a dispute begins in which no money has moved."""
USER, PACK, CREDITS = "auteur_user", "auteur_pack", "auteur_credits"
"""What a payment for a pack says of itself: we wrote it when the pack was sold."""
NUMBER = re.compile("[1-9][0-9]{0,7}")
PAID = "paid"
SUCCEEDED = "succeeded"


@dataclass(frozen=True)
class Loss:
    """Money of a payment that went back, or that a bank holds meanwhile."""

    amount: int = 0
    is_disputed: bool = False


@dataclass(frozen=True)
class Purchase:
    """What a payment bought, for whom."""

    user_id: UUID
    stripe_id: str
    kind: PaymentKind
    credits: int
    expires_at: datetime | None
    amount: int
    currency: str
    description: str


# --- Plans ------------------------------------------------------------------------------------


def settle_invoice(invoice_id: str) -> None:
    """Give what a paid invoice bought, and take back what was refunded of it."""
    asked_at = clock.now()
    invoice = client.get_invoice(invoice_id)
    if invoice.status != PAID:
        return
    bought = _known(invoice.id) or _bought_by_invoice(invoice)
    losses = [_loss_of(payment) for payment in client.list_payments(invoice.id)]
    loss = Loss(sum(one.amount for one in losses), any(one.is_disputed for one in losses))
    _settle(bought, loss=loss, asked_at=asked_at)


def _bought_by_invoice(invoice: Invoice) -> Purchase:
    customer = customers.get_customer(invoice.customer)
    _check_currency(invoice.currency, invoice.id)
    lines = client.list_invoice_lines(invoice.id)
    number = int(_credits_of(lines) * _paid_share_of(invoice, lines))
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


def _credits_of(lines: Iterable[Line]) -> Fraction:
    """Of each line the share of its plan's credits that its amount has of the plan's price.

    So a period that is paid whole brings all of them, a trial none, and an upgrade the difference
    for the rest of the period; a downgrade takes none away.
    """
    share = sum((_share(line) for line in lines if line.amount), start=Fraction(0))
    return max(Fraction(0), share)


def _paid_share_of(invoice: Invoice, lines: Iterable[Line]) -> Fraction:
    """How much of an invoice was paid with money that came with it.

    What a customer's balance at Stripe pays was paid before, and has brought its credits: without
    this, whoever goes up and down between plans gets them with each step up. An invoice that costs
    nothing and moves no balance (a coupon of 100 %) counts as paid, unless it credits unused time.
    """
    if invoice.ending_balance is None:
        raise SetAsideError(SetAsideReason.UNREADABLE, invoice.id)
    moved = invoice.ending_balance - invoice.starting_balance
    if invoice.amount_paid:
        return Fraction(invoice.amount_paid, invoice.amount_paid + max(0, moved))
    is_change = any(line.amount < 0 for line in lines)
    return Fraction(0 if moved or is_change else 1)


def _share(line: Line) -> Fraction:
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


def settle_payment(intent_id: str) -> None:
    """Give what a payment bought, and take back what was refunded of it."""
    asked_at = clock.now()
    payment = client.get_payment(intent_id)
    if CREDITS in payment.metadata:
        if payment.status == SUCCEEDED:
            bought = _known(payment.id) or _bought_by_payment(payment)
            _settle(bought, loss=_loss_of(payment), asked_at=asked_at)
    elif invoice_id := client.find_invoice(payment.id):
        settle_invoice(invoice_id)
    elif payment.status == SUCCEEDED:
        raise SetAsideError(SetAsideReason.UNKNOWN_PAYMENT, payment.id)


def _bought_by_payment(payment: PaymentIntent) -> Purchase:
    customer = customers.get_customer(payment.customer)
    _check_currency(payment.currency, payment.id)
    told = payment.metadata
    if told.get(USER) != str(customer.user_id):
        raise SetAsideError(SetAsideReason.CUSTOMER_MISMATCH, payment.id)
    sold = told[CREDITS]
    if not NUMBER.fullmatch(sold) or int(sold) > ledger.MAX_AMOUNT:
        raise SetAsideError(SetAsideReason.UNREADABLE, payment.id)
    return Purchase(
        user_id=customer.user_id,
        stripe_id=payment.id,
        kind=PaymentKind.PACK,
        credits=int(sold),
        expires_at=None,
        amount=payment.amount_received,
        currency=payment.currency,
        description="Credits bought",
    )


# --- The books --------------------------------------------------------------------------------


def _known(stripe_id: str) -> Purchase | None:
    """What a payment bought that was settled before: prices may have changed since."""
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


def _check_currency(currency: str, what: str) -> None:
    if currency != settings.BILLING_CURRENCY:
        raise SetAsideError(SetAsideReason.OTHER_CURRENCY, what)


def _loss_of(payment: PaymentIntent) -> Loss:
    """How much of a payment was refunded, or is with a bank that disputes it."""
    charge = payment.latest_charge
    if charge is None:
        return Loss()
    disputes = client.list_disputes(payment.id) if charge.disputed else []
    held = sum(one.amount for one in disputes if _holds_money(one))
    return Loss(min(charge.amount_refunded + held, payment.amount_received), bool(held))


def _holds_money(dispute: Dispute) -> bool:
    return dispute.status not in NOT_LOST and not dispute.status.startswith(INQUIRY)


@transaction.atomic
def _settle(bought: Purchase, *, loss: Loss, asked_at: datetime) -> None:
    """Write what was bought, once, and let what is withdrawn be what was lost.

    Where it was looked at later than now, that stands.
    """
    row = _row_of(bought)
    if row.checked_at >= asked_at:
        return
    row.checked_at, row.lost = asked_at, loss.amount
    row.withdrawn = _withdrawn(row)
    if row.credits:
        _withdraw(row)
    row.save(update_fields=["checked_at", "lost", "withdrawn", "taken", "returns"])
    if row.shortfall:
        customers.flag_account(row.user_id, "Credits were gone whose payment went back")
    elif loss.is_disputed:
        customers.flag_account(row.user_id, "A payment is disputed")


def _row_of(bought: Purchase) -> BillingPayment:
    """The payment's row, locked; with its grant, if it is new."""
    row, is_new = BillingPayment.objects.get_or_create(
        stripe_id=bought.stripe_id,
        defaults={
            "user_id": bought.user_id,
            "kind": bought.kind,
            "credits": bought.credits,
            "expires_at": bought.expires_at,
            "amount": bought.amount,
            "currency": bought.currency,
            "checked_at": datetime(1970, 1, 1, tzinfo=UTC),
        },
    )
    if is_new and row.credits:
        ledger.open_account(user_id=row.user_id)
        kinds = {PaymentKind.PLAN: GrantKind.SUBSCRIPTION, PaymentKind.PACK: GrantKind.PURCHASE}
        ledger.grant(
            user_id=row.user_id,
            amount=row.credits,
            kind=kinds[bought.kind],
            expires_at=row.expires_at,
            source=_sources(row)[0],
            description=bought.description,
        )
    return BillingPayment.objects.select_for_update(no_key=True).get(pk=row.pk)


def _withdrawn(row: BillingPayment) -> int:
    """Credits that are no longer paid for; what does not make a whole one is left."""
    if not row.amount or not row.lost:
        return 0
    return min(row.credits, row.credits * row.lost // row.amount)


def _withdraw(row: BillingPayment) -> None:
    """Let the payment's grants be worth what is still paid for.

    The ledger knows what was taken: a refund of a job may have brought back what was owed.
    """
    user_id, sources = row.user_id, _sources(row)
    kept = ledger.get_grant_balance(user_id=user_id, sources=sources).kept
    change = row.credits - row.withdrawn - kept
    if change < 0:
        reason = "Payment refunded or disputed"
        ledger.claw_back(user_id=user_id, sources=sources, amount=-change, reason=reason)
    elif change > 0:
        reason = "Payment reinstated"
        change -= ledger.forgive_debt(
            user_id=user_id, sources=sources, amount=change, reason=reason
        )
        if change:
            _give_back(row, change)
    worth = ledger.get_grant_balance(user_id=user_id, sources=_sources(row))
    row.taken = max(0, min(row.credits - worth.kept - worth.owed, row.withdrawn))


def _give_back(row: BillingPayment, number: int) -> None:
    """A dispute was won, or a refund failed: credits that were taken back come again."""
    grace = clock.now() + timedelta(days=settings.BILLING_GRACE_DAYS + 1)
    row.returns += 1
    ledger.grant(
        user_id=row.user_id,
        amount=number,
        kind=GrantKind.ADJUSTMENT,
        expires_at=row.expires_at and max(row.expires_at, grace),
        source=_sources(row)[-1],
        description="Payment reinstated",
    )


def _sources(row: BillingPayment) -> list[str]:
    """Of the payment's grant, and of those by which it came back."""
    first = f"stripe:{row.stripe_id}"
    return [first, *(f"{first}:{number}" for number in range(1, row.returns + 1))]
