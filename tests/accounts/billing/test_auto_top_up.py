"""A pack is bought when credits run low: once, within the cap, and not again once declined."""

from datetime import timedelta
from functools import partial
from unittest.mock import Mock

import pytest
from django.db import IntegrityError, transaction

from accounts.billing import auto_top_up, client, clock, customers, payments
from accounts.billing.errors import SetAsideError
from accounts.billing.models import (
    AutoTopUp,
    BillingCustomer,
    BillingPayment,
    SetAsideReason,
    TopUp,
)
from accounts.models import User
from auteur.core.api.scopes import Scope
from credits import ledger
from tests.accounts.billing.conftest import PACK_CREDITS, PRICES, balance, deliver
from tests.conftest import by_key

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
def setting(api, card):
    assert api.put(URL, WANTED, format="json").status_code == 200


def run() -> int:
    """As if half a minute had passed since the last look."""
    AutoTopUp.objects.filter(due_at__lte=clock.now() + auto_top_up.PAUSE).update(due_at=clock.now())
    TopUp.objects.filter(state="open").update(due_at=clock.now())
    return auto_top_up.process_top_ups()


def raiser(error):
    return Mock(side_effect=error)


def intents(world):
    return world.all_of("payment_intent")


def test_a_pack_is_bought_when_credits_run_low(world, setting, api, buyer, card):
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


def test_the_card_that_a_customer_chose_is_charged(world, setting, customer):
    chosen = world.add("pm", "payment_method", customer=customer)
    world.add("pm", "payment_method", customer=customer)
    world.objects[customer]["invoice_settings"] = {"default_payment_method": chosen["id"]}
    run()
    assert intents(world)[0]["payment_method"] == chosen["id"]


def test_not_beyond_the_months_cap(world, setting, api):
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


def test_a_decline_turns_it_off_and_says_so(world, setting, api, buyer):
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


def test_an_answer_that_was_lost_is_asked_for_again(world, setting, buyer):
    world.loses_answers = True
    run()
    assert (len(intents(world)), balance(buyer), TopUp.objects.get().state) == (1, 0, "open")
    world.loses_answers = False
    run()
    assert (len(intents(world)), balance(buyer)) == (1, PACK_CREDITS)
    assert TopUp.objects.get().state == "succeeded"


def test_one_that_takes_its_time_is_waited_for(world, setting, buyer):
    world.pays_at_once = False
    run()
    (payment,) = intents(world)
    run()
    assert (balance(buyer), len(intents(world))) == (0, 1)
    payment["status"] = "succeeded"
    run()
    assert (balance(buyer), TopUp.objects.get().state) == (PACK_CREDITS, "succeeded")


def test_a_slow_one_outlives_a_moment_without_stripe(world, setting, buyer):
    world.pays_at_once = False
    run()
    TopUp.objects.update(created_at=clock.now() - timedelta(days=3))
    world.is_away = True
    run()
    assert TopUp.objects.get().state == "open"
    world.is_away, intents(world)[0]["status"] = False, "succeeded"
    run()
    assert (balance(buyer), TopUp.objects.get().state) == (PACK_CREDITS, "succeeded")


def test_one_of_yesterday_that_was_never_answered_is_over(world, opened):
    TopUp.objects.update(created_at=clock.now() - timedelta(days=1))
    run()
    top_up = TopUp.objects.get(pk=opened.pk)
    assert (top_up.state, top_up.error_code) == ("failed", "not_charged")


@pytest.fixture
def opened(world, setting, monkeypatch):
    """A top-up that Stripe never heard of: it went away in between."""
    with monkeypatch.context() as patch:
        patch.setattr(client, "charge_payment", raiser(client.StripeAwayError("away")))
        run()
    assert (TopUp.objects.get().state, intents(world)) == ("open", [])
    return TopUp.objects.get()


def turn_off(api, buyer):
    api.put(URL, WANTED | {"enabled": False}, format="json")


def flag(api, buyer):
    customers.flag_account(buyer.pk, "A payment is disputed")


def lock_out(api, buyer):
    User.objects.update(is_active=False)


@pytest.mark.parametrize("change", [turn_off, flag, lock_out])
def test_one_that_is_no_longer_wanted_is_not_charged(world, opened, api, buyer, change):
    change(api, buyer)
    run()
    assert (TopUp.objects.get().error_code, intents(world)) == ("not_charged", [])


def test_one_that_is_wanted_still_is_charged(world, opened, buyer):
    run()
    assert (balance(buyer), len(intents(world))) == (PACK_CREDITS, 1)


def test_one_that_was_charged_is_found_though_no_longer_wanted(world, setting, api, buyer):
    world.pay(BillingCustomer.objects.get().stripe_id, PRICE, {"of": "another"})
    world.loses_answers = True
    run()
    turn_off(api, buyer)
    world.loses_answers = False
    run()
    assert (TopUp.objects.get().state, balance(buyer)) == ("succeeded", PACK_CREDITS)
    assert len(intents(world)) == 2


def test_it_goes_off_where_what_is_paid_cannot_be_given(world, setting, api, monkeypatch):
    monkeypatch.setattr(payments.ledger, "grant", raiser(ledger.TooManyGrantsProblem()))
    run()
    run()
    assert (len(intents(world)), TopUp.objects.get().state) == (1, "succeeded")
    state = api.get(URL).json()
    assert (state["enabled"], state["off_reason"]) == (False, "too_many_grants")


def test_it_goes_off_where_what_is_paid_is_set_aside(world, setting, api, monkeypatch):
    error = SetAsideError(SetAsideReason.OTHER_CURRENCY)
    monkeypatch.setattr(payments, "sync_payment", raiser(error))
    run()
    run()
    assert len(intents(world)) == 1
    assert api.get(URL).json()["off_reason"] == "other_currency"


def test_nothing_is_bought_where_there_is_no_room_for_it(world, setting, buyer, monkeypatch):
    with transaction.atomic():
        ledger.open_account(user_id=buyer.pk)
        for _ in range(ledger.MAX_OPEN_GRANTS - 1):
            ledger.grant(user_id=buyer.pk, amount=1)
    AutoTopUp.objects.update(threshold=2 * PACK_CREDITS, monthly_cap=9 * PRICE)
    run()
    run()
    assert len(intents(world)) == 1


def test_who_comes_second_does_not_begin(world, setting):
    (first,) = auto_top_up._list_below_threshold()
    (second,) = auto_top_up._list_below_threshold()
    AutoTopUp.objects.update(due_at=clock.now())
    count = len(world.asked)
    assert auto_top_up._start_top_up(first) == 1
    TopUp.objects.all().delete()
    assert auto_top_up._start_top_up(second) == 0
    assert len(world.asked) == count + 3


def credits_come(buyer):
    with transaction.atomic():
        ledger.open_account(user_id=buyer.pk)
        ledger.grant(user_id=buyer.pk, amount=PACK_CREDITS)


@pytest.mark.parametrize("change", [credits_come, partial(flag, None)])
def test_what_changes_meanwhile_is_seen(world, setting, buyer, monkeypatch, change):
    """While Stripe is asked for the price."""
    price = client.get_price

    def slow_price(price_id):
        change(buyer)
        return price(price_id)

    monkeypatch.setattr(client, "get_price", slow_price)
    run()
    assert not TopUp.objects.exists()


def test_one_is_open_at_a_time(setting, buyer):
    fields = {"user": buyer, "pack": "small", "credits": 1, "amount": 1, "currency": "usd"}
    TopUp.objects.create(**fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        TopUp.objects.create(**fields)


def test_nobody_who_is_flagged_is_charged(world, setting):
    BillingCustomer.objects.update(flagged_at=clock.now(), flag_reason="A payment is disputed")
    run()
    assert not intents(world)


def test_it_goes_off_with_what_it_buys(world, setting, api, settings):
    settings.BILLING_PACKS = {}
    run()
    assert api.get(URL).json()["off_reason"] == "not_on_sale"


def test_it_goes_off_with_the_card(world, setting, api, card):
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


@pytest.mark.parametrize(("cap", "status"), [(2 * PRICE, 200), (1, 200), (2 * PRICE + 1, 403)])
def test_a_key_lowers_the_cap_and_never_raises_it(setting, make_key, buyer, cap, status):
    key = make_key(Scope.BILLING, owner=buyer)
    answer = by_key(key).put(URL, WANTED | {"monthly_cap": cap}, format="json")
    assert answer.status_code == status, answer.content
    if status == 403:
        assert (answer.json()["code"], answer.json()["monthly_cap"]) == (
            "key_raises_cap",
            2 * PRICE,
        )
    assert AutoTopUp.objects.get().monthly_cap == min(cap, 2 * PRICE)


def test_a_key_does_not_set_the_first_cap(api, card, make_key, buyer):
    key = make_key(Scope.BILLING, owner=buyer)
    answer = by_key(key).put(URL, WANTED, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "key_raises_cap")
    assert answer.json()["monthly_cap"] is None
    assert not AutoTopUp.objects.exists()


@pytest.mark.parametrize(
    "change",
    [{"pack": "gone"}, {"threshold": 0}, {"monthly_cap": 0}, {"threshold": 2**31}, {"enabled": 5}],
)
def test_what_it_cannot_be(api, card, change):
    assert api.put(URL, WANTED | change, format="json").status_code == 400
