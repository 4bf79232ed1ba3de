"""Giving and taking back in the admin: with a reason, and above a limit by two."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from credits import corrections, ledger
from credits.models import CreditCorrection, CreditGrant, CreditTransaction
from tests.admin.conftest import REASON, messages_of, page_url, records_of

LIMIT = 20
TAKE = {"amount": str(LIMIT), "description": "It was a mistake", "reason": REASON}
GIVE = TAKE | {"kind": "promo"}


@pytest.fixture(autouse=True)
def limit(settings):
    settings.TWO_EYES_CREDITS = LIMIT


@pytest.fixture
def grant(user):
    """The one of 100 credits that the user has."""
    return CreditGrant.objects.get(user=user)


@pytest.fixture
def cashier(staff_with):
    """A colleague who may move credits, and see what waits."""
    return staff_with(
        "credits.view_creditcorrection", "credits.view_creditgrant", "credits.change_credits"
    )


def balance_of(user):
    return ledger.get_balance(user_id=user.pk)


def test_up_to_the_limit_one_is_enough(root, user, grant):
    done = "Took 20 of 20 back."
    response = root.act("take_back", grant, **TAKE)
    assert messages_of(response) == [f"credit grant {grant}: {done}"]
    assert records_of(grant) == [(root.user, f"{done} Reason: {REASON}")]
    row = CreditTransaction.objects.filter(user=user).latest("seq")
    assert (row.type, row.amount, row.description) == ("adjustment", -20, "It was a mistake")
    assert row.parts[0]["by"] == str(root.user.pk)
    assert balance_of(user) == 80


@pytest.mark.parametrize("ways", [("give", "give"), ("take", "give"), ("take", "take")])
def test_it_is_of_a_day_in_all(root, cashier, user, grant, ways):
    def act(browser, way, amount):
        name, obj = ("grant_credits", user) if way == "give" else ("take_back", grant)
        return messages_of(browser.act(name, obj, **GIVE | {"amount": str(amount)}))[0]

    first, second = ways
    assert "waits" not in act(root, first, LIMIT - 5)
    assert "waits" not in act(root, second, 5)
    assert "waits" in act(root, second, 1)
    assert "waits" not in act(cashier, "take", 1)


@pytest.mark.parametrize("way", ["take_back", "grant_credits"])
def test_what_a_colleague_approved_does_not_count(root, cashier, user, grant, way):
    obj = grant if way == "take_back" else user
    root.act(way, obj, **GIVE | {"amount": "150"})  # of a grant of 100
    cashier.act("approve", CreditCorrection.objects.get(), reason=REASON)
    for amount, waits in ((LIMIT, False), (1, True)):
        (message,) = messages_of(root.act("grant_credits", user, **GIVE | {"amount": str(amount)}))
        assert ("waits" in message) == waits


def test_nor_does_what_is_a_day_old(root, user, monkeypatch):
    root.act("grant_credits", user, **GIVE)
    monkeypatch.setattr(corrections, "DAY", timedelta(0))
    (message,) = messages_of(root.act("grant_credits", user, **GIVE))
    assert "waits" not in message


@pytest.mark.parametrize("way", ["take_back", "grant_credits"])
def test_above_it_a_colleague_approves(root, cashier, user, grant, way):
    before = balance_of(user)
    more = {"amount": str(LIMIT + 1)}
    if way == "take_back":
        response = root.act(way, grant, **TAKE | more)
    else:
        response = root.act(way, user, **GIVE | more)
    assert "waits for the approval" in messages_of(response)[0]
    assert balance_of(user) == before

    correction = CreditCorrection.objects.get()
    response = root.act("approve", correction, reason=REASON)
    assert "cannot approve your own request" in messages_of(response)[0]
    assert balance_of(user) == before

    cashier.act("approve", correction, reason=REASON)
    change = LIMIT + 1 if way == "grant_credits" else -LIMIT - 1
    assert balance_of(user) == before + change
    correction.refresh_from_db()
    assert (correction.asked_by, correction.decided_by, correction.is_approved) == (
        root.user,
        cashier.user,
        True,
    )
    response = cashier.act("approve", correction, reason=REASON)
    assert "was already approved or rejected" in messages_of(response)[0]
    assert balance_of(user) == before + change


def test_what_is_refused_is_not_done(root, cashier, user, grant):
    root.act("take_back", grant, **TAKE | {"amount": "50"})
    correction = CreditCorrection.objects.get()
    cashier.act("refuse", correction, reason=REASON)
    cashier.act("approve", correction, reason=REASON)
    assert balance_of(user) == 100
    correction.refresh_from_db()
    assert correction.is_approved is False


def test_nobody_moves_their_own(root, cashier, user):
    root.act("grant_credits", cashier.user, **GIVE | {"amount": "50"})
    response = cashier.act("approve", CreditCorrection.objects.get(), reason=REASON)
    assert "Ask a colleague" in messages_of(response)[0]
    assert balance_of(cashier.user) == 0
    with transaction.atomic():
        ledger.grant(user_id=root.user.pk, amount=5)
    response = root.act("take_back", CreditGrant.objects.get(user=root.user), **TAKE)
    assert "Ask a colleague" in messages_of(response)[0]


def test_the_database_wants_two(root, user):
    correction = CreditCorrection.objects.create(user=user, amount=1, asked_by=root.user)
    rows = CreditCorrection.objects.filter(pk=correction.pk)
    for by in (root.user, user):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(decided_by=by, decided_at=Now(), is_approved=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        CreditCorrection.objects.create(user=user, amount=1, asked_by=user)


@pytest.mark.parametrize("wrong", [{"amount": "0"}, {"amount": "x"}, {"reason": ""}])
def test_without_an_amount_or_a_reason_nothing_is_taken(root, user, grant, wrong):
    assert root.act("take_back", grant, **TAKE | wrong).status_code == 400
    assert balance_of(user) == 100


def test_only_who_may_move_credits(viewer, user, grant):
    assert "take_back" not in viewer.page(grant)
    viewer.act("take_back", grant, **TAKE)
    assert balance_of(user) == 100


def test_a_grant_shows_what_remains(root, user, grant, make_job):
    make_job(user, minutes=20)
    assert page_url(grant)
    assert ">90<" in root.page(grant)
