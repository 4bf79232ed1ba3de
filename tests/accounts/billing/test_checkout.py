"""What is on sale, and the pages on which it is bought and managed."""

import pytest

from accounts.billing.models import BillingCustomer
from accounts.models import Subscription
from tests.accounts.billing.conftest import PACK_CREDITS, PRO, PRO_CREDITS, balance, deliver


@pytest.fixture
def api(client_of, buyer, world):
    return client_of(buyer)


def sessions(world):
    return world.all_of("checkout.session")


def test_what_is_on_sale(api, world, buyer):
    assert api.get("/billing").json() == {
        "plans": [{"name": "starter", "credits": 100}, {"name": "pro", "credits": PRO_CREDITS}],
        "packs": [{"name": "small", "credits": PACK_CREDITS}],
        "has_portal": False,
    }


def test_a_plan_is_bought_and_begins(api, world, buyer):
    answer = api.post("/billing/checkout", {"plan": "pro"}, format="json")
    assert answer.status_code == 201
    (session,) = sessions(world)
    assert answer.json() == {"url": session["url"]}
    asked = session["asked"]
    assert (asked["mode"], asked["line_items"]["0"]["price"]) == ("subscription", PRO)
    assert asked["success_url"] == (
        "https://editor.example.com/account?tab=billing&checkout=success"
    )
    customer = world.objects[session["customer"]]
    assert (customer["email"], customer["metadata"]) == (buyer.email, {"user": str(buyer.pk)})
    world.complete(session)
    deliver(world.events)
    assert (buyer.plan, balance(buyer)) == ("pro", PRO_CREDITS)
    again = api.post("/billing/checkout", {"plan": "starter"}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "already_subscribed")


def test_a_pack_is_bought_once_by_all_that_is_told_of_it(api, world, buyer):
    api.post("/billing/checkout", {"pack": "small"}, format="json")
    world.complete(*sessions(world))
    assert len(world.events) == 2
    deliver(world.events)
    assert balance(buyer) == PACK_CREDITS


def test_a_plan_of_staff_is_no_reason_not_to_buy_one(api, world, buyer):
    Subscription.objects.create(user=buyer, plan="starter", status="active")
    assert api.post("/billing/checkout", {"plan": "pro"}, format="json").status_code == 201


def test_a_user_is_one_customer(api, world, buyer):
    for _ in range(2):
        api.post("/billing/checkout", {"pack": "small"}, format="json")
    assert len(world.all_of("customer")) == BillingCustomer.objects.count() == 1
    assert len(sessions(world)) == 2


def test_a_request_that_is_sent_twice_is_one_session(api, world, buyer):
    def ask():
        return api.post(
            "/billing/checkout", {"pack": "small"}, format="json", headers={"Idempotency-Key": "k"}
        )

    first, second = ask(), ask()
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true"
    assert len(sessions(world)) == 1


def test_keys_of_two_users_are_two(api, client_of, make_user, world):
    for client in (api, client_of(make_user())):
        client.post(
            "/billing/checkout", {"pack": "small"}, format="json", headers={"Idempotency-Key": "k"}
        )
    assert len(sessions(world)) == 2


@pytest.mark.parametrize(
    "body", [{}, {"plan": "pro", "pack": "small"}, {"plan": "gold"}, {"pack": ""}, {"plan": 5}]
)
def test_what_is_not_on_sale_is_not_bought(api, world, body):
    answer = api.post("/billing/checkout", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert not world.asked


def test_the_portal_opens_once_something_was_bought(api, world, customer):
    assert api.get("/billing").json()["has_portal"] is True
    answer = api.post("/billing/portal")
    assert answer.status_code == 201
    assert answer.json()["url"].startswith("https://billing.stripe.com/")


def test_the_portal_of_nobody(api, world):
    answer = api.post("/billing/portal")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_bought")


def test_stripe_is_away(api, world, buyer):
    world.is_away = True
    answer = api.post("/billing/checkout", {"plan": "pro"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (503, "billing_unavailable")
    assert not BillingCustomer.objects.exists()
    world.is_away = False
    assert api.post("/billing/checkout", {"plan": "pro"}, format="json").status_code == 201


def test_without_a_key_nothing_is_sold(client_of, user, settings):
    settings.STRIPE_SECRET_KEY = ""
    api = client_of(user)
    for answer in (
        api.get("/billing"),
        api.post("/billing/checkout", {"plan": "pro"}, format="json"),
        api.post("/billing/portal"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "billing_disabled")
