"""A pack that is bought when credits run low, as long as its user wants that and can pay."""

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
    get_offer,
    payment_metadata,
    stripe_errors_as_problems,
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
from auteur.api.problems import Problem
from credits.ledger import MAX_OPEN_GRANTS, TooManyGrantsProblem

logger = logging.getLogger(__name__)

AT_ONCE = 20
"""Of one round, to be begun and to be charged."""
PAUSE = timedelta(seconds=30)
"""Between looks at one that is open, and before a user's next."""
HOUR = timedelta(hours=1)
"""More than Stripe's clock and ours are apart."""
LONGEST = timedelta(hours=23)
"""For a day Stripe knows by its key what was asked already."""
MAX_CAP = 10**9
MAX_THRESHOLD = 10_000_000
TOP_UP = "auteur_top_up"


class NoPaymentMethodProblem(Problem):
    """There is nothing to charge."""

    status_code = 409
    default_code = "no_payment_method"
    default_detail = "There is no card on file: add one in the portal (POST /billing/portal)."


class KeyRaisesCapProblem(Problem):
    """An API key asks for more money a month than a person has allowed.

    ``monthly_cap``: what they have allowed; null: nothing yet.
    """

    status_code = 403
    default_code = "key_raises_cap"
    default_detail = (
        "An API key can lower monthly_cap, but not set or raise it: use the access token of "
        "somebody signed in."
    )


# --- What a user wants ------------------------------------------------------------------------


def find_auto_top_up(*, user: User) -> AutoTopUp | None:
    """What the user has asked for, if they have."""
    client.check_enabled()
    return AutoTopUp.objects.filter(user=user).first()


def set_auto_top_up(*, user: User, given: Mapping[str, Any], by_api_key: bool) -> AutoTopUp:
    """Have a pack bought below ``threshold``, or no more; raises a problem.

    Turning it on needs somebody who can be charged, which Stripe is asked. An API key
    (``by_api_key``) may lower the month's cap and never raise it: without a row the cap is zero.
    """
    get_offer(offers.list_packs(), "pack", given["pack"])
    if given["enabled"]:
        with stripe_errors_as_problems():
            customer = customers.find_customer(user)
        if customer is None:
            raise NothingBoughtProblem
        with stripe_errors_as_problems():
            payment_method = client.find_payment_method(customer.stripe_id)
        if payment_method is None:
            raise NoPaymentMethodProblem
    with transaction.atomic():
        row = AutoTopUp.objects.select_for_update(no_key=True).filter(user=user).first()
        if by_api_key and given["monthly_cap"] > (row.monthly_cap if row else 0):
            raise KeyRaisesCapProblem(monthly_cap=row.monthly_cap if row else None)
        changed, _ = AutoTopUp.objects.update_or_create(
            user=user, defaults={**given, "off_reason": None, "due_at": clock.now()}
        )
    return changed


def charged_this_month(user_id: UUID) -> int:
    """Money that was, or is being, charged automatically in this calendar month (UTC)."""
    counted = TopUp.objects.filter(user_id=user_id, created_at__gte=_month(clock.now()))
    found = counted.exclude(state=TopUpState.FAILED).aggregate(total=Sum("amount"))
    return int(found["total"] or 0)


def _month(now: datetime) -> datetime:
    return datetime(now.year, now.month, 1, tzinfo=UTC)


# --- What the orchestrator does ---------------------------------------------------------------


def process_top_ups() -> int:
    """Begin what is wanted, and charge what is open; returns how many there were."""
    try:
        begun = sum(_begin(one) for one in _low().filter(due_at__lte=Now())[:AT_ONCE])
        return begun + sum(_go_on(one) for one in _due()[:AT_ONCE])
    except StripeAwayError:
        return 0  # none of the others would be answered either


def _wanted() -> QuerySet[AutoTopUp]:
    """Whose users may be charged."""
    return AutoTopUp.objects.filter(
        enabled=True,
        user__is_active=True,
        user__billing_customer__flagged_at=None,
        user__billing_customer__isnull=False,
    ).select_related("user__billing_customer")


def _low() -> QuerySet[AutoTopUp]:
    """Whose users should be charged: they have few credits, none coming, and room for more."""
    is_open = TopUp.objects.filter(user=OuterRef("user"), state=TopUpState.OPEN)
    return _wanted().filter(
        ~Exists(is_open),
        user__credits__balance__lt=F("threshold"),
        user__credits__grant_ids__len__lt=MAX_OPEN_GRANTS,
    )


def _begin(wanted: AutoTopUp) -> int:
    taken = AutoTopUp.objects.filter(pk=wanted.pk, enabled=True, due_at__lte=Now())
    if not taken.update(due_at=Now() + PAUSE):
        return 0
    offer = offers.list_packs().get(wanted.pack)
    if offer is None:
        return _turn_off(wanted.pk, "not_on_sale")
    try:
        price = client.get_price(offer.price)
        customer = wanted.user.billing_customer
        payment_method = client.find_payment_method(customer.stripe_id)
    except (StripeRefusedError, UnreadableError) as exc:
        logger.warning("a top-up cannot begin: %s", exc)
        return 0
    amount = int(price.unit_amount_decimal or 0)
    if price.currency != settings.BILLING_CURRENCY or amount < 1:
        return _turn_off(wanted.pk, "not_on_sale")
    if payment_method is None:
        return _turn_off(wanted.pk, "no_payment_method")
    made = TopUp(
        user_id=wanted.pk,
        pack=offer.name,
        credits=offer.credits,
        amount=amount,
        currency=price.currency,
        payment_method=payment_method,
    )
    return _open(made)


@transaction.atomic
def _open(made: TopUp) -> int:
    """Store it, if it is still wanted and needed, the only one, and within the month's cap."""
    row = AutoTopUp.objects.select_for_update(no_key=True).get(pk=made.user_id)
    if not _low().filter(pk=row.pk).exists():
        return 0
    if charged_this_month(row.pk) + made.amount > row.monthly_cap:
        row.due_at = _month(_month(clock.now()) + timedelta(days=31))
        row.save(update_fields=["due_at"])
        return 0
    made.save(force_insert=True)
    return 1


def _due() -> QuerySet[TopUp]:
    due = TopUp.objects.filter(state=TopUpState.OPEN, due_at__lte=Now())
    return due.order_by("due_at").select_related("user__billing_customer")


def _go_on(top_up: TopUp) -> int:
    taken = TopUp.objects.filter(pk=top_up.pk, state=TopUpState.OPEN, due_at__lte=Now())
    if not taken.update(due_at=Now() + PAUSE):
        return 0
    try:
        payment = _payment_of(top_up)
    except StripeRefusedError as exc:
        return _fail(top_up, exc.code)
    except (StripeAwayError, UnreadableError) as exc:
        if top_up.stripe_id is None and _is_old(top_up):
            return _fail(top_up, "unanswered")
        raise StripeAwayError(str(exc)) from exc
    if payment is None:
        return _end(top_up, state=TopUpState.FAILED, error_code="not_charged")
    if payment.status == payments.SUCCEEDED:
        _settle(payment, user_id=top_up.user_id)
        return _end(top_up, state=TopUpState.SUCCEEDED, stripe_id=payment.id)
    if payment.status != "processing":
        return _fail(top_up, payment.status)
    return TopUp.objects.filter(pk=top_up.pk).update(stripe_id=payment.id)


def _settle(payment: PaymentIntent, *, user_id: UUID) -> None:
    """Give what was paid for; where that cannot be, no more is bought."""
    try:
        payments.settle_payment(payment.id)
    except (SetAsideError, TooManyGrantsProblem) as exc:
        # Its event is set aside for the same reason, where staff see it.
        logger.warning("top-up %s is paid and not given: %s", payment.id, type(exc).__name__)
        full = SetAsideReason.TOO_MANY_GRANTS
        _turn_off(user_id, exc.reason if isinstance(exc, SetAsideError) else full)


def _payment_of(top_up: TopUp) -> PaymentIntent | None:
    """The payment as it stands; asked for anew, it is the same one.

    Without its id, one that is no longer wanted, or that Stripe's key may have forgotten, is only
    looked for: nothing where it was never made.
    """
    if top_up.stripe_id is not None:
        return client.get_payment(top_up.stripe_id)
    customer_id = top_up.user.billing_customer.stripe_id
    name = {TOP_UP: str(top_up.pk)}
    if _is_old(top_up) or not _wanted().filter(pk=top_up.user_id).exists():
        return client.find_payment(name, customer_id=customer_id, since=top_up.created_at - HOUR)
    asked = {
        "amount": top_up.amount,
        "currency": top_up.currency,
        "customer": customer_id,
        "payment_method": top_up.payment_method,
        "metadata": payment_metadata(top_up.user, offers.Offer(top_up.pack, "", top_up.credits))
        | name,
    }
    return client.charge_payment(asked, key=f"top-up:{top_up.pk}")


def _is_old(top_up: TopUp) -> bool:
    return top_up.created_at < clock.now() - LONGEST


def _fail(top_up: TopUp, code: str) -> int:
    """A decline turns it off: the next would be declined as well."""
    with transaction.atomic():
        failed = _end(top_up, state=TopUpState.FAILED, error_code=code)
        return failed and _turn_off(top_up.user_id, code)


def _end(top_up: TopUp, **found: Any) -> int:
    still_open = TopUp.objects.filter(pk=top_up.pk, state=TopUpState.OPEN)
    return still_open.update(due_at=None, **found)


def _turn_off(user_id: UUID, reason: str) -> int:
    rows = AutoTopUp.objects.filter(pk=user_id, enabled=True)
    return rows.update(enabled=False, off_reason=reason[:100])
