"""A pack is bought when credits run low: once, within the cap, and not again once declined."""

import pytest
from django.db import IntegrityError, transaction

from accounts.billing import auto_top_up, clock
from accounts.billing.closing import stop_charging
from accounts.billing.models import AutoTopUp, BillingCustomer, BillingPayment, TopUp
from tests.billing.conftest import PACK_CREDITS, PRICES, balance, deliver

PRICE = PRICES["price_pack"]
WANTED = {"enabled": True, "pack": "small", "threshold": 50, "monthly_cap": 2 * PRICE}
URL = "/billing/auto-top-up"


@pytest.fixture
def api(client_of, buyer, world):
    return client_of(buyer)


@pytest.fixture
def card(world, customer):
    return world.add("pm", "payment_method", customer=customer)


@pytest.fixture
def wanted(api, card):
    assert api.put(URL, WANTED, format="json").status_code == 200


def run() -> int:
    """As if half a minute had passed since the last look."""
    AutoTopUp.objects.filter(due_at__lte=clock.now() + auto_top_up.PAUSE).update(due_at=clock.now())
    TopUp.objects.filter(state="open").update(due_at=clock.now())
    return auto_top_up.run()


def intents(world):
    return world.all_of("payment_intent")


def test_a_pack_is_bought_when_credits_run_low(world, wanted, api, buyer, card):
    run()
    (payment,) = intents(world)
    assert (payment["amount"], payment["payment_method"]) == (PRICE, card["id"])
    assert balance(buyer) == PACK_CREDITS
    deliver(world.events)
    assert (balance(buyer), BillingPayment.objects.count()) == (PACK_CREDITS, 1)
    run()
    assert len(intents(world)) == 1
    assert api.get(URL).json() == WANTED | {
        "currency": "usd",
        "charged_this_month": PRICE,
        "off_reason": None,
    }


def test_the_card_that_a_customer_chose_is_charged(world, wanted, customer):
    chosen = world.add("pm", "payment_method", customer=customer)
    world.add("pm", "payment_method", customer=customer)
    world.objects[customer]["invoice_settings"] = {"default_payment_method": chosen["id"]}
    run()
    assert intents(world)[0]["payment_method"] == chosen["id"]


def test_not_beyond_the_months_cap(world, wanted, api):
    api.put(URL, WANTED | {"threshold": 10 * PACK_CREDITS}, format="json")
    for _ in range(4):
        run()
    assert len(intents(world)) == 2
    state = api.get(URL).json()
    assert (state["enabled"], state["charged_this_month"]) == (True, 2 * PRICE)
    api.put(
        URL, WANTED | {"threshold": 10 * PACK_CREDITS, "monthly_cap": 3 * PRICE - 1}, format="json"
    )
    run()
    assert len(intents(world)) == 2


def test_a_decline_turns_it_off_and_says_so(world, wanted, api, buyer):
    world.declines = True
    run()
    state = api.get(URL).json()
    assert (state["enabled"], state["off_reason"]) == (False, "card_declined")
    assert (balance(buyer), state["charged_this_month"]) == (0, 0)
    world.declines = False
    run()
    assert not intents(world)
    assert api.put(URL, WANTED, format="json").json()["off_reason"] is None
    run()
    assert balance(buyer) == PACK_CREDITS


def test_an_answer_that_was_lost_is_asked_for_again(world, wanted, buyer):
    world.loses_answers = True
    run()
    assert (len(intents(world)), balance(buyer), TopUp.objects.get().state) == (1, 0, "open")
    world.loses_answers = False
    run()
    assert (len(intents(world)), balance(buyer)) == (1, PACK_CREDITS)
    assert TopUp.objects.get().state == "succeeded"


def test_one_that_takes_its_time_is_waited_for(world, wanted, buyer):
    world.pays_at_once = False
    run()
    (payment,) = intents(world)
    run()
    assert (balance(buyer), len(intents(world))) == (0, 1)
    payment["status"] = "succeeded"
    run()
    assert (balance(buyer), TopUp.objects.get().state) == (PACK_CREDITS, "succeeded")


def test_one_is_open_at_a_time(wanted, buyer):
    fields = {"user": buyer, "pack": "small", "credits": 1, "amount": 1, "currency": "usd"}
    TopUp.objects.create(**fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        TopUp.objects.create(**fields)


def test_nobody_who_is_flagged_is_charged(world, wanted):
    BillingCustomer.objects.update(flagged_at=clock.now(), flag_reason="A payment is disputed")
    run()
    assert not intents(world)


def test_it_goes_off_with_what_it_buys(world, wanted, api, settings):
    settings.BILLING_PACKS = {}
    run()
    assert api.get(URL).json()["off_reason"] == "not_on_sale"


def test_it_goes_off_with_the_card(world, wanted, api, card):
    del world.objects[card["id"]]
    run()
    assert api.get(URL).json()["off_reason"] == "no_payment_method"


def test_it_needs_a_card(api, customer):
    answer = api.put(URL, WANTED, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_payment_method")
    assert api.get(URL).status_code == 404


def test_it_needs_a_customer(api):
    answer = api.put(URL, WANTED, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_bought")


@pytest.mark.parametrize(
    "change",
    [{"pack": "gone"}, {"threshold": 0}, {"monthly_cap": 0}, {"threshold": 2**31}, {"enabled": 5}],
)
def test_what_it_cannot_be(api, card, change):
    assert api.put(URL, WANTED | change, format="json").status_code == 400


def test_who_closes_their_account_is_charged_no_more(world, wanted, buyer, customer):
    world.subscribe(customer, "price_pro")
    deliver(world.events)
    assert buyer.plan == "pro"
    told = len(world.events)
    for _ in range(2):
        stop_charging(user_id=buyer.pk)
    deliver(world.events[told:])
    assert (buyer.plan, len(world.events)) == (None, told + 1)
    run()
    assert AutoTopUp.objects.get().off_reason == "account_closed"


def test_who_bought_nothing_closes_their_account_without_stripe(buyer, settings):
    settings.STRIPE_SECRET_KEY = ""
    stop_charging(user_id=buyer.pk)
