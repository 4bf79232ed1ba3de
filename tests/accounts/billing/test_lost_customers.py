"""A customer that our books lost in a restore is adopted again, and nobody pays twice."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.billing import customers
from accounts.billing.errors import SetAsideError
from accounts.billing.models import BillingCustomer
from accounts.models import Subscription, User
from tests.accounts.billing.conftest import PRO, PRO_CREDITS, balance, deliver, states


@pytest.fixture
def api(client_of, buyer, world):
    return client_of(buyer)


@pytest.fixture
def lost(world, buyer):
    """A customer of the buyer who subscribed, and of whom only Stripe knows."""
    stripe_id = world.customer(email=buyer.email, metadata={"user": str(buyer.pk)})["id"]
    world.subscribe(stripe_id, PRO)
    return stripe_id


def test_an_event_of_a_lost_customer_adopts_them(world, lost, buyer):
    deliver(world.events)
    assert BillingCustomer.objects.get().stripe_id == lost
    assert (buyer.plan, balance(buyer)) == ("pro", PRO_CREDITS)
    assert set(states().values()) == {"done"}


def test_before_a_customer_is_made_stripe_is_searched(world, lost, api, buyer):
    assert api.post("/billing/checkout", {"pack": "small"}, format="json").status_code == 201
    assert [row["id"] for row in world.all_of("customer")] == [lost]
    assert BillingCustomer.objects.get(user=buyer).stripe_id == lost


def test_nobody_gets_a_second_subscription(world, lost, api, buyer):
    answer = api.post("/billing/checkout", {"plan": "pro"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_subscribed")
    assert not world.all_of("checkout.session")
    assert not Subscription.objects.exists()
    deliver(world.events)
    assert balance(buyer) == PRO_CREDITS


def test_the_portal_of_a_lost_customer_opens(world, lost, api):
    assert api.post("/billing/portal").status_code == 201


def test_of_several_customers_the_oldest_is_adopted(world, lost, buyer):
    world.now += 60
    world.customer(metadata={"user": str(buyer.pk)})
    assert customers.get_or_create_customer(buyer).stripe_id == lost


def test_a_user_with_another_customer_keeps_that_one(world, lost, buyer, customer):
    with pytest.raises(SetAsideError):
        customers.get_customer(lost)
    assert BillingCustomer.objects.get().stripe_id == customer


def test_the_customer_of_an_ended_account_is_not_adopted(world, lost, buyer):
    User.objects.filter(pk=buyer.pk).update(
        is_active=False, closing_at=timezone.now() - timedelta(seconds=1)
    )
    deliver(world.events)
    assert set(states().values()) == {"unknown_customer"}
    assert not BillingCustomer.objects.exists()


@pytest.mark.parametrize("user_id", ["", "42", "00000000-0000-0000-0000-000000000000"])
def test_metadata_of_another_program_adopts_nobody(world, db, user_id):
    stripe_id = world.customer(metadata={"user": user_id})["id"]
    with pytest.raises(SetAsideError):
        customers.get_customer(stripe_id)


def test_a_deleted_customer_is_not_adopted(world, lost, buyer):
    world.objects[lost] = {"id": lost, "object": "customer", "deleted": True, "metadata": {}}
    with pytest.raises(SetAsideError):
        customers.get_customer(lost)
