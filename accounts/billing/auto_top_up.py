"""Automatic top-ups: packs bought when a user's credits fall below their threshold."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Sum
from django.db.models.functions import Now

from accounts.billing import client, clock, customers, offers, payments
from accounts.billing.checkout import (
    NothingBoughtProblem,
    build_payment_metadata,
    get_offer,
    translate_stripe_errors,
)
from accounts.billing.client import StripeAwayError, StripeRefusedError
from accounts.billing.errors import SetAsideError
from accounts.billing.models import (
    AutoTopUp,
    SetAsideReason,
    TopUp,
    TopUpState,
)
from accounts.billing.stripe_objects import PaymentIntent, UnreadableError
from accounts.models import User
from auteur.core.api.problems import Problem
from credits.ledger import MAX_OPEN_GRANTS, TooManyGrantsProblem

logger = logging.getLogger(__name__)

AT_ONCE = 20
"""The most top-ups that one round creates, and the most that it charges."""
PAUSE = timedelta(seconds=30)
"""The pause before an open top-up is checked again, and before a user's next top-up."""
HOUR = timedelta(hours=1)
"""An upper bound of the difference between Stripe's clock and ours."""
LONGEST = timedelta(hours=23)
"""How long a charge may be repeated: Stripe forgets an idempotency key after a day."""
MAX_CAP = 10**9
MAX_THRESHOLD = 10_000_000
TOP_UP = "auteur_top_up"


class NoPaymentMethodProblem(Problem):
    """The user has no payment method at Stripe that could be charged."""

    status_code = 409
    default_code = "no_payment_method"
    default_detail = "You have no payment method. Add one in the portal (POST /billing/portal)."


class KeyRaisesCapProblem(Problem):
    """An API key would raise the monthly cap, which only a signed-in user may do.

    ``monthly_cap`` is the current cap, or null if there is none.
    """

    status_code = 403
    default_code = "key_raises_cap"
    default_detail = (
        "An API key can lower monthly_cap, but not set or raise it. Use the access token of a "
        "signed-in user."
    )


# --- Settings of a user -----------------------------------------------------------------------


def find_auto_top_up(*, user: User) -> AutoTopUp | None:
    """Return the user's automatic top-up, or None if they never set one."""
    client.check_enabled()
    return AutoTopUp.objects.filter(user=user).first()


def set_auto_top_up(*, user: User, values: Mapping[str, Any], by_api_key: bool) -> AutoTopUp:
    """Turn the automatic purchase of a pack below ``threshold`` on or off; raises a problem.

    Turning it on requires a payment method at Stripe. An API key (``by_api_key``) may lower the
    monthly cap and never raise it: without a row the cap is zero.
    """
    get_offer(offers.list_packs(), "pack", values["pack"])
    if values["enabled"]:
        with translate_stripe_errors():
            customer = customers.find_customer(user)
        if customer is None:
            raise NothingBoughtProblem
        with translate_stripe_errors():
            payment_method = client.find_payment_method(customer.stripe_id)
        if payment_method is None:
            raise NoPaymentMethodProblem
    with transaction.atomic():
        row = AutoTopUp.objects.select_for_update(no_key=True).filter(user=user).first()
        if by_api_key and values["monthly_cap"] > (row.monthly_cap if row else 0):
            raise KeyRaisesCapProblem(monthly_cap=row.monthly_cap if row else None)
        changed_row, _ = AutoTopUp.objects.update_or_create(
            user=user, defaults={**values, "off_reason": None, "due_at": clock.now()}
        )
    return changed_row


def get_monthly_charges(user_id: UUID) -> int:
    """Return the money charged by top-ups in this calendar month (UTC), without failed ones."""
    top_ups = TopUp.objects.filter(user_id=user_id, created_at__gte=_month_start(clock.now()))
    sums = top_ups.exclude(state=TopUpState.FAILED).aggregate(total=Sum("amount"))
    return int(sums["total"] or 0)


def _month_start(now: datetime) -> datetime:
    return datetime(now.year, now.month, 1, tzinfo=UTC)


# --- Processing by the orchestrator -----------------------------------------------------------


def process_top_ups() -> int:
    """Create due top-ups and charge open ones; return how many rows changed."""
    try:
        created = sum(
            _start_top_up(auto_top_up)
            for auto_top_up in _list_below_threshold().filter(due_at__lte=Now())[:AT_ONCE]
        )
        return created + sum(_process_top_up(top_up) for top_up in _list_open_top_ups()[:AT_ONCE])
    except StripeAwayError:
        return 0  # Stripe would not answer the next request either.


def _list_chargeable() -> QuerySet[AutoTopUp]:
    """Return the automatic top-ups whose users may be charged."""
    return AutoTopUp.objects.filter(
        enabled=True,
        user__is_active=True,
        user__billing_customer__flagged_at=None,
        user__billing_customer__isnull=False,
    ).select_related("user__billing_customer")


def _list_below_threshold() -> QuerySet[AutoTopUp]:
    """Return the automatic top-ups whose users need credits.

    Their balance is below the threshold, they have no open top-up, and another grant fits into
    their account.
    """
    open_top_ups = TopUp.objects.filter(user=OuterRef("user"), state=TopUpState.OPEN)
    return _list_chargeable().filter(
        ~Exists(open_top_ups),
        user__credits__balance__lt=F("threshold"),
        user__credits__grant_ids__len__lt=MAX_OPEN_GRANTS,
    )


def _start_top_up(auto_top_up: AutoTopUp) -> int:
    due_rows = AutoTopUp.objects.filter(pk=auto_top_up.pk, enabled=True, due_at__lte=Now())
    if not due_rows.update(due_at=Now() + PAUSE):
        return 0
    offer = offers.list_packs().get(auto_top_up.pack)
    if offer is None:
        return _turn_off(auto_top_up.pk, "not_on_sale")
    try:
        price = client.get_price(offer.price)
        customer = auto_top_up.user.billing_customer
        payment_method = client.find_payment_method(customer.stripe_id)
    except (StripeRefusedError, UnreadableError) as exc:
        logger.warning("a top-up cannot begin: %s", exc)
        return 0
    amount = int(price.unit_amount_decimal or 0)
    if price.currency != settings.BILLING_CURRENCY or amount < 1:
        return _turn_off(auto_top_up.pk, "not_on_sale")
    if payment_method is None:
        return _turn_off(auto_top_up.pk, "no_payment_method")
    top_up = TopUp(
        user_id=auto_top_up.pk,
        pack=offer.name,
        credits=offer.credits,
        amount=amount,
        currency=price.currency,
        payment_method=payment_method,
    )
    return _store_top_up(top_up)


@transaction.atomic
def _store_top_up(top_up: TopUp) -> int:
    """Store a top-up, if its user still needs it and the monthly cap allows it.

    Over the cap, the user's next top-up waits for the next month.
    """
    row = AutoTopUp.objects.select_for_update(no_key=True).get(pk=top_up.user_id)
    if not _list_below_threshold().filter(pk=row.pk).exists():
        return 0
    if get_monthly_charges(row.pk) + top_up.amount > row.monthly_cap:
        row.due_at = _month_start(_month_start(clock.now()) + timedelta(days=31))
        row.save(update_fields=["due_at"])
        return 0
    top_up.save(force_insert=True)
    return 1


def _list_open_top_ups() -> QuerySet[TopUp]:
    top_ups = TopUp.objects.filter(state=TopUpState.OPEN, due_at__lte=Now())
    return top_ups.order_by("due_at").select_related("user__billing_customer")


def _process_top_up(top_up: TopUp) -> int:
    due_rows = TopUp.objects.filter(pk=top_up.pk, state=TopUpState.OPEN, due_at__lte=Now())
    if not due_rows.update(due_at=Now() + PAUSE):
        return 0
    try:
        payment = _charge_or_find_payment(top_up)
    except StripeRefusedError as exc:
        return _fail_top_up(top_up, exc.code)
    except (StripeAwayError, UnreadableError) as exc:
        if top_up.stripe_id is None and _is_old(top_up):
            return _fail_top_up(top_up, "unanswered")
        raise StripeAwayError(str(exc)) from exc
    if payment is None:
        return _close_top_up(top_up, state=TopUpState.FAILED, error_code="not_charged")
    if payment.status == payments.SUCCEEDED:
        _grant_payment(payment, user_id=top_up.user_id)
        return _close_top_up(top_up, state=TopUpState.SUCCEEDED, stripe_id=payment.id)
    if payment.status != "processing":
        return _fail_top_up(top_up, payment.status)
    return TopUp.objects.filter(pk=top_up.pk).update(stripe_id=payment.id)


def _grant_payment(payment: PaymentIntent, *, user_id: UUID) -> None:
    """Grant the paid credits; if that is impossible, turn the automatic top-up off."""
    try:
        payments.sync_payment(payment.id)
    except (SetAsideError, TooManyGrantsProblem) as exc:
        # Staff see the reason, because the payment's event is set aside as well.
        logger.warning(
            "top-up %s is paid, but its credits are not granted: %s", payment.id, type(exc).__name__
        )
        reason = exc.reason if isinstance(exc, SetAsideError) else SetAsideReason.TOO_MANY_GRANTS
        _turn_off(user_id, reason)


def _charge_or_find_payment(top_up: TopUp) -> PaymentIntent | None:
    """Return the top-up's payment in its current state; charge it if there is none yet.

    A repeated charge returns the same payment, by its idempotency key. If the key may have
    expired, or the user may no longer be charged, only search for the payment and return None if
    it was never made.
    """
    if top_up.stripe_id is not None:
        return client.get_payment(top_up.stripe_id)
    customer_id = top_up.user.billing_customer.stripe_id
    name = {TOP_UP: str(top_up.pk)}
    if _is_old(top_up) or not _list_chargeable().filter(pk=top_up.user_id).exists():
        return client.find_payment(name, customer_id=customer_id, since=top_up.created_at - HOUR)
    params = {
        "amount": top_up.amount,
        "currency": top_up.currency,
        "customer": customer_id,
        "payment_method": top_up.payment_method,
        "metadata": build_payment_metadata(
            top_up.user, offers.Offer(top_up.pack, "", top_up.credits)
        )
        | name,
    }
    return client.charge_payment(params, key=f"top-up:{top_up.pk}")


def _is_old(top_up: TopUp) -> bool:
    return top_up.created_at < clock.now() - LONGEST


def _fail_top_up(top_up: TopUp, code: str) -> int:
    """Fail the top-up, and turn automatic top-ups off: the next would be declined as well."""
    with transaction.atomic():
        closed = _close_top_up(top_up, state=TopUpState.FAILED, error_code=code)
        return closed and _turn_off(top_up.user_id, code)


def _close_top_up(top_up: TopUp, **values: Any) -> int:
    open_rows = TopUp.objects.filter(pk=top_up.pk, state=TopUpState.OPEN)
    return open_rows.update(due_at=None, **values)


def _turn_off(user_id: UUID, reason: str) -> int:
    rows = AutoTopUp.objects.filter(pk=user_id, enabled=True)
    return rows.update(enabled=False, off_reason=reason[:100])
