"""Billing in the admin: what Stripe told, why nothing was made of it, and doing it again."""

import uuid

import pytest
from django.utils import timezone

from accounts.billing.models import (
    AutoTopUp,
    BillingCustomer,
    BillingEvent,
    BillingPayment,
    EventState,
    TopUp,
)
from auteur.core.admin import OwnObjectProblem
from tests.admin.conftest import messages_of, records_of


@pytest.fixture
def customer(user):
    return BillingCustomer.objects.create(user=user, stripe_id="cus_1")


@pytest.fixture
def event(customer):
    return BillingEvent.objects.create(
        stripe_id="evt_1",
        type="invoice.paid",
        object_id="in_1",
        customer_id="cus_1",
        is_live=False,
        is_found=False,
        state=EventState.SET_ASIDE,
        reason="unknown_price",
        detail="price_9",
        due_at=None,
        tries=1,
        happened_at=timezone.now(),
    )


@pytest.fixture
def payment(user):
    return BillingPayment.objects.create(
        user=user,
        stripe_id="pi_1",
        kind="pack",
        credits=250,
        amount=2500,
        currency="usd",
        lost=2500,
        withdrawn=250,
        taken=100,
    )


@pytest.fixture
def top_up(user):
    AutoTopUp.objects.create(
        user=user,
        enabled=False,
        pack="small",
        threshold=50,
        monthly_cap=5000,
        off_reason="card_declined",
    )
    return TopUp.objects.create(
        user=user,
        pack="small",
        credits=250,
        amount=2500,
        currency="usd",
        payment_method="pm_1",
        state="failed",
        error_code="card_declined",
        due_at=None,
    )


def test_pages_show_what_there_is(root, user, customer, event, payment, top_up):
    for obj in (customer, payment, top_up, AutoTopUp.objects.get()):
        assert user.email in root.list(type(obj))
        assert user.email in root.page(obj)
    assert "A price that we do not sell" in root.list(BillingEvent)
    page = root.page(event)
    assert "price_9" in page
    assert "cus_1" in page
    assert ">150<" in root.page(payment)
    assert "Payments" in root.page(user)


@pytest.mark.parametrize("wanted", ["evt_1", "in_1", "cus_1"])
def test_events_are_found_by_ids_of_stripes(root, event, wanted):
    assert "evt_1" in root.list(BillingEvent, q=wanted)
    assert "0 results" in root.list(BillingEvent, q=f"{wanted}x")


def test_customers_and_payments_are_found_by_email_and_id(root, user, customer, payment):
    for item in (user.email, str(user.pk)):
        assert "pi_1" in root.list(BillingPayment, q=item)
    assert "cus_1" in root.list(BillingCustomer, q=user.email)
    assert "pi_1" not in root.list(BillingPayment, q=str(uuid.uuid4()))


def test_an_event_is_worked_on_again(root, event):
    root.act("work_again", event, reason="The price is known now")
    event.refresh_from_db()
    assert (event.state, event.reason, event.tries) == (EventState.WAITING, None, 0)
    ((_, record),) = records_of(event)
    assert "The price is known now" in record
    (message,) = messages_of(root.act("work_again", event, reason="Once more"))
    assert "Only events that are set aside" in message


def test_nobody_has_events_about_themselves_worked_on(root, event, customer):
    BillingCustomer.objects.update(user=root.user)
    (message,) = messages_of(root.act("work_again", event, reason="It is mine"))
    assert OwnObjectProblem.default_detail in message
    event.refresh_from_db()
    assert event.state == EventState.SET_ASIDE


def test_a_flag_is_cleared(root, customer):
    (message,) = messages_of(root.act("clear_flag", customer, reason="None there"))
    assert "no flag to clear" in message
    BillingCustomer.objects.update(flagged_at=timezone.now(), flag_reason="A payment is disputed")
    assert "A payment is disputed" in root.list(BillingCustomer)
    root.act("clear_flag", customer, reason="It was settled")
    customer.refresh_from_db()
    assert customer.flagged_at is None


def test_who_may_only_see_changes_nothing(staff_with, event, customer):
    viewer = staff_with("accounts.view_billingevent", "accounts.view_billingcustomer")
    assert '<select name="action"' not in viewer.list(BillingEvent)
    viewer.act("work_again", event, reason="Because")
    event.refresh_from_db()
    assert event.state == EventState.SET_ASIDE
