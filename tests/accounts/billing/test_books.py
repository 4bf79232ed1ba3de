"""What payments buy and what goes back with them, whatever Stripe tells us and when."""

import pytest
from django.db import transaction

from accounts.billing.models import BillingCustomer, BillingEvent, BillingPayment
from accounts.models import Subscription
from credits import ledger
from credits.models import CreditTransaction
from jobs import lifecycle, submission
from jobs.audit import ledger_audit
from tests.accounts.billing.conftest import (
    PACK,
    PACK_CREDITS,
    PRO,
    PRO_CREDITS,
    STARTER,
    STARTER_CREDITS,
    balance,
    deliver,
    sold,
    states,
    work,
)
from tests.accounts.billing.stripe_world import DAY, MONTH


def plan_of(user):
    return user.plan


def spend(user, credits):
    """Submit a job of that price; returns its id."""
    wanted = [{"type": "noop", "price": credits, "used": credits}]
    (job,) = submission.submit_batch(user_id=user.pk, plan=user.plan, items=wanted).jobs
    return job.job_id


class TestPlans:
    def test_a_paid_invoice_brings_the_plan_and_its_credits(self, world, customer, buyer, settings):
        world.subscribe(customer, PRO)
        deliver(world.events)
        assert (plan_of(buyer), balance(buyer)) == ("pro", PRO_CREDITS)
        grace = settings.BILLING_GRACE_DAYS * DAY
        payment = BillingPayment.objects.get()
        assert payment.expires_at.timestamp() == world.now + MONTH + grace
        assert buyer.subscription.current_period_end.timestamp() == world.now + MONTH + grace

    def test_each_period_brings_them_again_and_is_the_same_plan(self, world, customer, buyer):
        subscription = world.subscribe(customer, STARTER)
        world.renew(subscription)
        world.renew(subscription)
        deliver(world.events)
        assert (plan_of(buyer), balance(buyer)) == ("starter", 3 * STARTER_CREDITS)
        assert Subscription.objects.filter(user=buyer).count() == 1

    def test_an_upgrade_brings_the_difference_for_the_rest_of_the_period(
        self, world, customer, buyer
    ):
        subscription = world.subscribe(customer, STARTER)
        world.change_price(subscription, PRO)
        deliver(world.events)
        difference = (PRO_CREDITS - STARTER_CREDITS) // 2
        assert (plan_of(buyer), balance(buyer)) == ("pro", STARTER_CREDITS + difference)

    def test_a_downgrade_takes_nothing_away(self, world, customer, buyer):
        subscription = world.subscribe(customer, PRO)
        world.change_price(subscription, STARTER)
        deliver(world.events)
        assert (plan_of(buyer), balance(buyer)) == ("starter", PRO_CREDITS)

    def test_going_up_and_down_brings_credits_but_for_new_money(self, world, customer, buyer):
        subscription = world.subscribe(customer, STARTER)
        for price in [PRO, STARTER] * 3:
            world.change_price(subscription, price)
        deliver(world.events)
        difference = (PRO_CREDITS - STARTER_CREDITS) // 2
        assert balance(buyer) == STARTER_CREDITS + difference
        assert world.objects[customer]["balance"] == -1500

    def test_what_the_balance_at_stripe_pays_of_a_period_brings_none(self, world, customer, buyer):
        world.objects[customer]["balance"] = -1001
        world.subscribe(customer, PRO)
        deliver(world.events)
        assert balance(buyer) == PRO_CREDITS * 2999 // 4000
        assert BillingPayment.objects.get().amount == 2999

    def test_a_switch_to_a_better_price_for_which_money_comes_back_brings_none(
        self, world, customer, buyer, settings
    ):
        settings.BILLING_PLANS["starter"] = [(STARTER, 2 * PRO_CREDITS)]
        subscription = world.subscribe(customer, PRO)
        world.change_price(subscription, STARTER)
        deliver(world.events)
        assert balance(buyer) == PRO_CREDITS

    def test_a_period_that_a_coupon_pays_brings_all_and_a_change_under_it_none(
        self, world, customer, buyer
    ):
        end = world.now + MONTH
        subscription = {"id": "sub_1", "customer": customer}
        whole = [world._line(STARTER, world.now, end)]
        change = [
            world._line(STARTER, world.now, end, -1000),
            world._line(PRO, world.now, end, 4000),
        ]
        world.bill(subscription, whole, discount=1000)
        world.bill(subscription, change, discount=3000)
        deliver(world.events)
        assert balance(buyer) == STARTER_CREDITS

    def test_a_trial_is_a_plan_without_credits(self, world, customer, buyer):
        subscription = world.subscribe(customer, PRO)
        world.events.clear()
        subscription["status"] = "trialing"
        line = world._line(PRO, world.now, world.now + MONTH, amount=0)
        world.bill(subscription, [line])
        deliver(world.events)
        assert (plan_of(buyer), balance(buyer)) == ("pro", 0)

    def test_a_renewal_that_is_not_paid_ends_after_the_grace(
        self, world, customer, buyer, settings
    ):
        world.now -= MONTH
        subscription = world.subscribe(customer, PRO)
        world.fail_to_renew(subscription)
        deliver(world.events)
        assert plan_of(buyer) == "pro"
        settings.BILLING_GRACE_DAYS = 0
        deliver([world.tell("customer.subscription.updated", subscription)])
        assert plan_of(buyer) is None

    def test_who_cancels_keeps_what_is_paid_for(self, world, customer, buyer):
        subscription = world.subscribe(customer, PRO)
        subscription["cancel_at_period_end"] = True
        deliver([*world.events, world.tell("customer.subscription.updated", subscription)])
        assert plan_of(buyer) == "pro"
        assert buyer.subscription.current_period_end.timestamp() == world.now + MONTH
        world.events.clear()
        world.cancel(subscription)
        deliver(world.events)
        assert (plan_of(buyer), balance(buyer)) == (None, PRO_CREDITS)

    def test_of_two_subscriptions_the_better_counts(self, world, customer, buyer):
        pro = world.subscribe(customer, PRO)
        world.subscribe(customer, STARTER)
        deliver(world.events)
        assert plan_of(buyer) == "pro"
        world.events.clear()
        world.cancel(pro)
        deliver(world.events)
        assert plan_of(buyer) == "starter"

    def test_what_staff_gave_is_not_ended_by_stripe(self, world, customer, buyer):
        Subscription.objects.create(user=buyer, plan="pro", status="active")
        subscription = world.subscribe(customer, STARTER)
        world.events.clear()
        world.cancel(subscription)
        deliver(world.events)
        assert plan_of(buyer) == "pro"

    def test_an_earlier_price_still_buys_what_it_bought(self, world, customer, buyer, settings):
        world.price("price_old", 500)
        settings.BILLING_PLANS["starter"].append(("price_old", 70))
        world.subscribe(customer, "price_old")
        deliver(world.events)
        assert (plan_of(buyer), balance(buyer)) == ("starter", 70)


class TestPacks:
    def test_credits_come_with_the_payment(self, world, customer, buyer):
        payment = world.pay(customer, 2500, sold(buyer))
        deliver([world.tell("payment_intent.succeeded", payment)])
        assert balance(buyer) == PACK_CREDITS
        assert BillingPayment.objects.get().expires_at is None

    def test_what_was_sold_is_given_whatever_is_on_sale_since(
        self, world, customer, buyer, settings
    ):
        payment = world.pay(customer, 2500, sold(buyer))
        settings.BILLING_PACKS = {"small": [(PACK, 1)]}
        deliver([world.tell("payment_intent.succeeded", payment)])
        assert balance(buyer) == PACK_CREDITS


class TestRefunds:
    @pytest.fixture
    def payment(self, world, customer, buyer):
        payment = world.pay(customer, 2500, sold(buyer))
        world.tell("payment_intent.succeeded", payment)
        return payment

    def test_with_the_money_go_the_credits(self, world, payment, buyer):
        world.refund(payment)
        deliver(world.events)
        assert balance(buyer) == 0
        row = BillingPayment.objects.get()
        assert (row.withdrawn, row.taken, row.shortfall) == (PACK_CREDITS, PACK_CREDITS, 0)

    def test_with_a_part_of_it_a_part_of_them(self, world, payment, buyer):
        world.refund(payment, 1000)
        deliver(world.events)
        assert balance(buyer) == 150
        world.refund(payment, 999)
        deliver(world.events)
        assert balance(buyer) == 51

    def test_what_was_spent_is_a_shortfall_and_the_account_is_flagged(
        self, world, payment, buyer, make_job
    ):
        deliver(world.events)
        job = make_job(buyer, minutes=20)
        world.refund(payment)
        deliver(world.events)
        assert balance(buyer) == 0
        assert BillingPayment.objects.get().shortfall == job.credits_cost
        assert BillingCustomer.objects.get().flagged_at is not None

    def test_other_credits_are_not_touched(self, world, payment, buyer, customer):
        other = world.pay(customer, 2500, sold(buyer))
        world.tell("payment_intent.succeeded", other)
        deliver(world.events)
        world.refund(payment)
        deliver(world.events)
        assert balance(buyer) == PACK_CREDITS

    def test_a_refund_that_fails_gives_them_back(self, world, payment, buyer):
        refund = world.refund(payment)
        deliver(world.events)
        world.fail_refund(refund)
        deliver(world.events)
        assert balance(buyer) == PACK_CREDITS
        assert BillingPayment.objects.get().withdrawn == 0

    def test_what_was_owed_is_forgiven_with_a_dispute_that_is_won(self, world, payment, buyer):
        deliver(world.events)
        job_id = spend(buyer, 150)
        dispute = world.dispute(payment)
        deliver(world.events)
        assert BillingPayment.objects.get().shortfall == 150
        world.decide(dispute, "won")
        deliver(world.events)
        assert balance(buyer) == PACK_CREDITS - 150
        lifecycle.cancel(job_id=job_id, by="user")
        assert balance(buyer) == PACK_CREDITS
        assert ledger_audit.check().findings == ()

    def test_what_a_job_brought_back_meanwhile_comes_again_too(self, world, payment, buyer):
        deliver(world.events)
        job_id = spend(buyer, 150)
        dispute = world.dispute(payment)
        deliver(world.events)
        lifecycle.cancel(job_id=job_id, by="user")
        assert balance(buyer) == 0
        world.decide(dispute, "won")
        deliver(world.events)
        assert balance(buyer) == PACK_CREDITS
        assert ledger_audit.check().findings == ()

    def test_of_a_refund_that_fails_only_its_part_is_forgiven(self, world, payment, buyer):
        deliver(world.events)
        job_id = spend(buyer, 200)
        world.refund(payment, 1000)
        failed = world.refund(payment, 500)
        deliver(world.events)
        assert BillingPayment.objects.get().shortfall == 100
        world.fail_refund(failed)
        deliver(world.events)
        row = BillingPayment.objects.get()
        assert (row.withdrawn, row.taken, row.shortfall) == (100, 50, 50)
        lifecycle.cancel(job_id=job_id, by="user")
        assert balance(buyer) == PACK_CREDITS - 100

    def test_what_was_reinstated_can_be_lost_again(self, world, payment, buyer):
        for amount in (1000, 2500):
            failed = world.refund(payment, amount)
            deliver(world.events)
            world.fail_refund(failed)
            deliver(world.events)
        assert balance(buyer) == PACK_CREDITS
        world.refund(payment, 1500)
        deliver(world.events)
        assert balance(buyer) == 100
        world.refund(payment)
        deliver(world.events)
        row = BillingPayment.objects.get()
        assert (balance(buyer), row.taken, row.returns) == (0, PACK_CREDITS, 2)
        assert ledger_audit.check().findings == ()

    def test_what_staff_took_is_neither_taken_twice_nor_given_back(self, world, payment, buyer):
        deliver(world.events)
        with transaction.atomic():
            ledger.revoke_grant(
                user_id=buyer.pk,
                source=f"stripe:{payment['id']}",
                amount=200,
                reason="A mistake",
                by=buyer.pk,
            )
        dispute = world.dispute(payment)
        deliver(world.events)
        assert BillingPayment.objects.get().shortfall == 200
        world.decide(dispute, "won")
        deliver(world.events)
        assert balance(buyer) == PACK_CREDITS - 200

    def test_of_an_invoice_too(self, world, customer, buyer):
        world.subscribe(customer, PRO)
        (invoice,) = world.all_of("invoice")
        world.refund(world.payment_of(invoice), 1000)
        deliver(world.events)
        assert balance(buyer) == PRO_CREDITS * 3 // 4

    def test_a_dispute_takes_them_until_it_is_won(self, world, payment, buyer):
        dispute = world.dispute(payment)
        deliver(world.events)
        assert balance(buyer) == 0
        assert BillingCustomer.objects.get().flag_reason == "A payment is disputed"
        world.decide(dispute, "won")
        deliver(world.events)
        assert balance(buyer) == PACK_CREDITS

    def test_a_dispute_that_is_lost_takes_them_for_good(self, world, payment, buyer):
        world.decide(world.dispute(payment), "lost")
        deliver(world.events)
        assert balance(buyer) == 0

    def test_an_inquiry_takes_nothing(self, world, payment, buyer):
        dispute = world.dispute(payment)
        dispute["status"] = "warning_needs_response"
        deliver(world.events)
        assert balance(buyer) == PACK_CREDITS

    def test_who_is_told_of_a_refund_first_gives_and_takes(self, world, payment, buyer):
        world.refund(payment, 1000)
        deliver(reversed(world.events))
        assert balance(buyer) == 150


class TestSetAside:
    """What we cannot read as a sale of ours moves no credits, and says why."""

    @pytest.fixture(autouse=True)
    def nothing_moves(self, world, buyer, customer):
        yield
        assert not CreditTransaction.objects.filter(user=buyer).exists()
        assert not BillingPayment.objects.exists()

    def test_a_customer_who_is_none_of_ours(self, world):
        world.subscribe(world.customer()["id"], PRO)
        deliver(world.events)
        assert states() == {
            "customer.subscription.created": "unknown_customer",
            "payment_intent.succeeded": "unknown_customer",
            "invoice.paid": "unknown_customer",
        }

    def test_another_currency(self, world, customer):
        lines = [world._line(PRO, world.now, world.now + MONTH)]
        world.bill({"id": "sub_1", "customer": customer}, lines, currency="eur")
        deliver(world.events)
        assert set(states().values()) == {"other_currency"}

    def test_a_price_in_another_currency(self, world, customer):
        world.objects[PRO]["currency"] = "jpy"
        world.subscribe(customer, PRO)
        deliver(world.events)
        assert states()["invoice.paid"] == "other_currency"

    def test_a_price_that_we_do_not_sell(self, world, customer, buyer):
        world.price("price_other", 700)
        world.subscribe(customer, "price_other")
        deliver(world.events)
        assert set(states().values()) == {"unknown_price"}
        assert plan_of(buyer) is None

    def test_a_payment_for_nothing(self, world, customer):
        deliver([world.tell("payment_intent.succeeded", world.pay(customer, 700, {}))])
        assert states() == {"payment_intent.succeeded": "unknown_payment"}

    @pytest.mark.parametrize("credits", ["", "-5", "0", "1e3", "١", "10000001", "9" * 5000])
    def test_credits_that_nobody_sold(self, world, customer, buyer, credits):
        result = sold(buyer) | {"auteur_credits": credits}
        deliver([world.tell("payment_intent.succeeded", world.pay(customer, 700, result))])
        assert states() == {"payment_intent.succeeded": "unreadable"}

    def test_what_was_sold_to_somebody_else(self, world, customer, make_user):
        payment = world.pay(customer, 2500, sold(make_user()))
        deliver([world.tell("payment_intent.succeeded", payment)])
        assert states() == {"payment_intent.succeeded": "customer_mismatch"}

    def test_what_is_over(self, world, customer):
        world.now -= 2 * MONTH
        world.subscribe(customer, PRO)
        deliver(world.events)
        assert states()["invoice.paid"] == "period_over"

    def test_what_stripe_does_not_know(self, world):
        deliver([world.tell("invoice.paid", {"id": "in_gone", "object": "invoice"})])
        assert states() == {"invoice.paid": "gone"}

    def test_live_events_with_a_key_for_tests(self, world, customer):
        payment = world.pay(customer, 700, {})
        event = world.tell("payment_intent.succeeded", payment) | {"livemode": True}
        deliver([event])
        assert states() == {"payment_intent.succeeded": "other_mode"}

    def test_money_that_has_not_come(self, world, customer, buyer):
        payment = world.pay(customer, 2500, sold(buyer))
        payment["status"] = "processing"
        invoice = world.add(
            "in",
            "invoice",
            customer=customer,
            status="open",
            currency="usd",
            amount_paid=0,
            starting_balance=0,
            ending_balance=None,
        )
        deliver(
            [
                world.tell("payment_intent.succeeded", payment),
                world.tell("invoice.paid", invoice),
            ]
        )
        assert set(states().values()) == {"done"}


def test_what_was_set_aside_is_made_good_once_it_can_be(world, customer, buyer, settings):
    world.price("price_new", 700)
    world.subscribe(customer, "price_new")
    deliver(world.events)
    assert balance(buyer) == 0
    settings.BILLING_PLANS["starter"].append(("price_new", 70))
    from accounts.billing import events

    events.requeue_events(BillingEvent.objects.all())
    work()
    assert (plan_of(buyer), balance(buyer)) == ("starter", 70)
