"""What may come to the webhook, and that each event is stored once, before anything is done."""

import json
import time

import pytest

from accounts.billing import events, webhook
from accounts.billing.models import BillingEvent, EventState
from tests.accounts.billing.conftest import (
    PRO,
    PRO_CREDITS,
    SECRET,
    balance,
    deliver,
    send,
    states,
    work,
)
from tests.accounts.billing.stripe_server import signed


@pytest.fixture
def body(world, customer):
    world.subscribe(customer, PRO)
    return json.dumps(world.events[-1]).encode()


def test_an_event_is_stored_and_nothing_is_done_before_the_answer(world, body, buyer):
    count = len(world.asked)
    assert send(body, signed(body, SECRET)).json() == {"received": True}
    (event,) = BillingEvent.objects.all()
    assert (event.type, event.state, event.is_found) == ("invoice.paid", EventState.WAITING, False)
    assert (len(world.asked), balance(buyer)) == (count, 0)
    work()
    event.refresh_from_db()
    assert (event.state, event.due_at, balance(buyer)) == (EventState.DONE, None, PRO_CREDITS)


def test_an_event_is_worked_on_once_however_often_it_is_sent(world, body, buyer):
    for _ in range(3):
        deliver([json.loads(body)])
    assert BillingEvent.objects.count() == 1
    assert balance(buyer) == PRO_CREDITS


@pytest.mark.parametrize(
    "header",
    [
        lambda body: "",
        lambda body: "nonsense",
        lambda body: signed(body, "whsec_" + "b" * 32),
        lambda body: signed(body + b" ", SECRET),
        lambda body: signed(body, SECRET).replace("v1=", "v0="),
        lambda body: signed(body, SECRET, at=time.time() - webhook.TOLERANCE_SECONDS - 5),
        lambda body: f"t={'9' * 4300},v1=00",
        lambda body: signed(body, SECRET) + "\xe9",
    ],
    ids=["none", "nonsense", "other key", "other body", "other scheme", "old", "huge", "latin"],
)
def test_what_is_not_signed_just_now_is_refused(world, body, header):
    answer = send(body, header(body))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    assert not BillingEvent.objects.exists()


def test_within_the_tolerance_it_is_taken(world, body):
    at = time.time() - webhook.TOLERANCE_SECONDS + 10
    assert send(body, signed(body, SECRET, at=at)).status_code == 200


def test_two_secrets_are_good_while_one_replaces_another(world, body, settings):
    new = "whsec_" + "n" * 32
    settings.STRIPE_WEBHOOK_SECRETS = [new, SECRET]
    assert send(body, signed(body, SECRET)).status_code == 200
    assert send(body, signed(body, "whsec_gone", new)).status_code == 200
    settings.STRIPE_WEBHOOK_SECRETS = [new]
    assert send(body, signed(body, SECRET)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"\xff\xfe", b'{"id": "evt_1", "type": "x"}', b'{"id": 1}', b"null"],
)
def test_what_is_signed_and_no_event_is_refused(world, db, body):
    answer = send(body, signed(body, SECRET))
    assert answer.status_code in (400, 401)
    assert not BillingEvent.objects.exists()


def test_a_body_is_as_long_as_it_may_be_and_no_longer(world, body):
    long = body + b" " * (webhook.MAX_EVENT_BYTES - len(body))
    assert send(long, signed(long, SECRET)).status_code == 200
    answer = send(long + b" ", signed(long + b" ", SECRET))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_without_a_key_there_is_no_webhook(db, settings):
    settings.STRIPE_SECRET_KEY = ""
    answer = send(b"{}", "")
    assert (answer.status_code, answer.json()["code"]) == (503, "billing_disabled")


def test_types_that_do_not_matter_are_stored_and_left(world, customer):
    event = world.tell("customer.updated", world.objects[customer])
    count = len(world.asked)
    deliver([event])
    assert states() == {"customer.updated": EventState.IGNORED}
    assert len(world.asked) == count


def test_nothing_of_people_or_cards_is_stored(world, customer):
    payment = world.pay(customer, 100, {})
    deliver([world.tell("charge.refunded", world.charge_of(payment))])
    stored = str(BillingEvent.objects.values())
    assert "ada" not in stored.lower()
    assert "4242" not in stored


class TestStripeAway:
    def test_events_wait_and_no_try_is_lost(self, world, body, buyer):
        world.is_away = True
        deliver([json.loads(body)])
        (event,) = BillingEvent.objects.all()
        assert (event.state, event.tries, event.holder) == (EventState.WAITING, 0, None)
        world.is_away = False
        BillingEvent.objects.update(due_at=event.received_at)
        work()
        assert balance(buyer) == PRO_CREDITS

    def test_a_wrong_key_is_an_outage_and_no_refusal(self, world, body, settings):
        settings.STRIPE_SECRET_KEY = "sk_test_other"
        deliver([json.loads(body)])
        assert states() == {"invoice.paid": EventState.WAITING}

    def test_what_fails_each_time_is_set_aside_and_can_be_worked_on_again(
        self, world, body, buyer, monkeypatch
    ):
        def fail(event):
            raise RuntimeError

        with monkeypatch.context() as patched:
            patched.setitem(events.handle_event.__globals__["HANDLERS"], "invoice.paid", fail)
            deliver([json.loads(body)])
            for _ in range(events.MAX_TRIES):
                BillingEvent.objects.filter(state=EventState.WAITING).update(
                    due_at=BillingEvent.objects.get().received_at
                )
                work()
        event = BillingEvent.objects.get()
        assert (event.state, event.reason) == (EventState.SET_ASIDE, "failed")
        assert events.requeue_events(BillingEvent.objects.all()) == 1
        work()
        assert balance(buyer) == PRO_CREDITS


def test_what_a_dead_process_held_is_worked_on_again(world, body, buyer):
    assert send(body, signed(body, SECRET)).status_code == 200
    event = BillingEvent.objects.get()
    assert events.LEASES.claim(event.pk) is not None
    work()
    assert balance(buyer) == 0
    dead = events.liveness.build_process_name(1, "dead", 2**22 + 1)
    BillingEvent.objects.update(holder=dead)
    work()
    assert balance(buyer) == PRO_CREDITS


def test_old_events_are_forgotten_but_not_those_that_wait_for_staff(world, body):
    world.now -= int(events.RETENTION.total_seconds()) + 60
    old = world.tell("customer.updated", world.add("cus", "customer"))
    aside = world.tell("invoice.paid", world.add("in", "invoice", status="paid"))
    deliver([old, aside])
    work()
    assert states() == {"invoice.paid": "unreadable"}
