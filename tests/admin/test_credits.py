"""Balances and the ledger in the admin: found and read, never written."""

import pytest

from credits.admin import LATEST
from credits.models import Credits, CreditTransaction
from jobs import lifecycle
from tests.admin.conftest import XSS, page_url
from tests.credits.books import stop_comparing_books


@pytest.fixture
def account(user):
    return Credits.objects.get(user=user)


def found(browser, **query):
    listed = browser.list(CreditTransaction, **query)
    rows = CreditTransaction.objects.all()
    return {(row.type, row.amount) for row in rows if f"/{row.pk}/change/" in listed}


@pytest.fixture
def refunded(job):
    lifecycle.cancel(job_id=job.pk, by="user")
    return job


def test_an_account_shows_its_movements(root, account, refunded):
    page = root.page(account)
    for text in ("+100", "-5", "+5", page_url(refunded)):
        assert text in page


def test_a_description_is_text(root, account, user):
    rows = CreditTransaction.objects.filter(user=user)
    last = rows.latest("seq")
    stop_comparing_books()
    CreditTransaction.objects.create(
        user=user, seq=last.seq + 1, amount=1, balance_after=101, type="bonus", description=XSS
    )
    assert XSS not in root.page(account)
    assert XSS not in root.list(CreditTransaction)
    assert "&lt;script&gt;" in root.page(account)


@pytest.mark.parametrize("excess", [0, 1])
def test_an_account_shows_the_latest_movements_only(root, account, user, excess):
    stop_comparing_books()
    CreditTransaction.objects.bulk_create(
        CreditTransaction(user=user, seq=seq, amount=1, balance_after=seq, type="bonus")
        for seq in range(2, LATEST + 1 + excess)
    )
    assert root.page(account).count("<td>Bonus</td>") == LATEST
    assert ("+100" in root.page(account)) is (excess == 0)


@pytest.mark.parametrize("type", ["usage", "refund", "bonus"])
def test_filter_by_type(root, refunded, type):
    amounts = {"usage": -5, "refund": 5, "bonus": 100}
    assert found(root, type__exact=type) == {(type, amounts[type])}


def test_search_by_email_and_job(root, refunded, make_user):
    stranger = make_user(balance=33)
    assert found(root, q=stranger.email) == {("bonus", 33)}
    assert found(root, q=str(refunded.pk)) == {("usage", -5), ("refund", 5)}
    assert found(root, job__id__exact=str(refunded.pk)) == {("usage", -5), ("refund", 5)}
    assert found(root, user__id__exact=str(stranger.pk)) == {("bonus", 33)}


def test_nobody_writes(root, account, job):
    row = CreditTransaction.objects.get(job=job)
    assert root.client.post(page_url(account), {"balance": 10**6}).status_code == 403
    assert root.client.post(page_url(row), {"amount": 10**6}).status_code == 403
    account.refresh_from_db()
    assert account.balance == 95
