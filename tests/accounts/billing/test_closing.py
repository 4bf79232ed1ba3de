"""Who closes their account is charged no more, loses nothing by coming back, and gets away."""

import logging
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from accounts import closing
from accounts.billing import client
from accounts.billing.models import AutoTopUp, BillingCustomer
from accounts.closing import requests, worker
from accounts.models import AccountClosing, ClosingStatus, User
from jobs.states import JobStatus
from tests.accounts.billing.conftest import deliver

AUTO = {"enabled": True, "pack": "small", "threshold": 50, "monthly_cap": 5000}


@pytest.fixture
def plan(world, customer):
    result = world.subscribe(customer, "price_pro")
    deliver(world.events)
    return result


def do_what_is_due(user):
    worker.run_closing(AccountClosing.objects.get(user=user).pk)


def close(user):
    closing.request_closing(user=user)
    do_what_is_due(user)


def let_time_come(user):
    User.objects.filter(pk=user.pk).update(closing_at=Now())
    do_what_is_due(user)


def errors(caplog):
    return [record for record in caplog.records if record.levelno == logging.ERROR]


def test_a_paid_plan_is_kept_and_not_renewed(world, plan, buyer):
    count = len(world.events)
    close(buyer)
    do_what_is_due(buyer)
    assert (plan["status"], plan["cancel_at_period_end"]) == ("active", True)
    assert len(world.events) == count + 1
    deliver(world.events[count:])
    assert buyer.plan == "pro"


def test_restored_it_is_as_it_was(world, plan, buyer):
    close(buyer)
    closing.restore_account(user=buyer)
    do_what_is_due(buyer)
    assert (plan["cancel_at_period_end"], plan["metadata"]) == (False, {})
    assert not AccountClosing.objects.exists()


@pytest.mark.parametrize("how", ["cancel_at_period_end", "cancel_at"])
def test_what_its_user_had_cancelled_stays_so(world, plan, buyer, how):
    ends = plan["items"]["data"][0]["current_period_end"]
    plan[how] = before = True if how == "cancel_at_period_end" else ends
    close(buyer)
    closing.restore_account(user=buyer)
    do_what_is_due(buyer)
    assert plan[how] == before
    assert not [item for item in world.asked if item.startswith("POST /v1/subscriptions")]


def test_what_is_not_paid_is_cancelled_at_once(plan, buyer):
    plan["status"] = "past_due"
    close(buyer)
    assert plan["status"] == "canceled"


def test_restoring_does_not_wait_for_stripe(world, plan, buyer):
    close(buyer)
    world.is_away = True
    assert closing.restore_account(user=buyer).closing_at is None
    do_what_is_due(buyer)
    assert AccountClosing.objects.get(user=buyer).status == ClosingStatus.WAITING
    world.is_away = False
    do_what_is_due(buyer)
    assert not plan["cancel_at_period_end"]


def test_who_restores_while_stripe_is_told_is_renewed_after_that(plan, buyer, monkeypatch):
    real = client.stop_renewal

    def slow(subscription_id):
        closing.restore_account(user=buyer)
        real(subscription_id)

    monkeypatch.setattr(client, "stop_renewal", slow)
    close(buyer)
    row = AccountClosing.objects.filter(user=buyer, due_at__gt=Now() + timedelta(seconds=50))
    assert row.exists()
    do_what_is_due(buyer)
    assert not plan["cancel_at_period_end"]


def test_closed_again_before_stripe_was_told(plan, buyer):
    close(buyer)
    closing.restore_account(user=buyer)
    closing.request_closing(user=buyer)
    do_what_is_due(buyer)
    assert plan["cancel_at_period_end"]
    assert AccountClosing.objects.get(user=buyer).due_at == requests.request_closing(user=buyer)


def test_automatic_top_ups_pause(plan, buyer):
    AutoTopUp.objects.create(user=buyer, **AUTO)
    close(buyer)
    assert AutoTopUp.objects.get().off_reason == "account_closed"
    closing.restore_account(user=buyer)
    row = AutoTopUp.objects.get()
    assert (row.enabled, row.off_reason) == (True, None)


def test_top_ups_that_were_off_stay_off(plan, buyer):
    AutoTopUp.objects.create(user=buyer, **AUTO | {"enabled": False})
    close(buyer)
    closing.restore_account(user=buyer)
    assert not AutoTopUp.objects.get().enabled


def test_at_the_end_it_is_cancelled_for_good(plan, buyer):
    close(buyer)
    assert plan["status"] == "active"
    let_time_come(buyer)
    assert plan["status"] == "canceled"
    assert AccountClosing.objects.get(user=buyer).status == ClosingStatus.DONE


@pytest.mark.parametrize("what", ["customer", "subscription"])
def test_what_stripe_does_not_know_holds_up_nothing(
    world, plan, buyer, customer, what, monkeypatch
):
    if what == "customer":
        del world.objects[customer]
    else:
        result = client.list_subscriptions(customer)
        del world.objects[plan["id"]]
        monkeypatch.setattr(client, "list_subscriptions", lambda _: result)
    close(buyer)
    let_time_come(buyer)
    assert AccountClosing.objects.get(user=buyer).status == ClosingStatus.DONE


def test_what_stripe_does_not_know_is_not_renewed(world, plan, buyer, customer):
    close(buyer)
    del world.objects[customer]
    closing.restore_account(user=buyer)
    do_what_is_due(buyer)
    assert not AccountClosing.objects.exists()


def test_without_a_key_accounts_end_and_the_log_says_so(plan, buyer, settings, caplog):
    settings.STRIPE_SECRET_KEY = ""
    close(buyer)
    let_time_come(buyer)
    assert AccountClosing.objects.get(user=buyer).status == ClosingStatus.DONE
    assert str(buyer.pk) in errors(caplog)[-1].getMessage()


def test_who_bought_nothing_leaves_without_stripe(buyer, settings, caplog):
    settings.STRIPE_SECRET_KEY = ""
    close(buyer)
    let_time_come(buyer)
    assert not errors(caplog)


def test_once_it_is_time_each_try_in_vain_is_an_error(world, plan, buyer, caplog):
    world.is_away = True
    close(buyer)
    assert not errors(caplog)
    for tries in (1, 2):
        let_time_come(buyer)
        assert len(errors(caplog)) == tries
    assert not User.objects.get(pk=buyer.pk).is_active
    world.is_away = False
    do_what_is_due(buyer)
    assert plan["status"] == "canceled"


def test_jobs_are_cancelled_before_stripe_is_asked(world, plan, buyer, make_job):
    job = make_job(buyer)
    world.is_away = True
    close(buyer)
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED


def test_restored_at_once_there_is_nothing_to_take_back(buyer, customer):
    closing.request_closing(user=buyer)
    closing.restore_account(user=buyer)
    do_what_is_due(buyer)
    assert BillingCustomer.objects.get().stripe_id == customer
    assert not AccountClosing.objects.exists()
