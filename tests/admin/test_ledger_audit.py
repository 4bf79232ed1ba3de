"""The page that verifies the ledger: green, or red with what is off by account."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.urls import reverse

from auteur.core.admin import GREEN, RED
from credits.models import Credits
from jobs.admin import ledger_audit as ledger_audit_admin
from jobs.audit import ledger_audit
from jobs.models import Job
from tests.admin.conftest import page_url
from tests.credits.books import stop_comparing_books

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page():
    return reverse("verify-ledger")


def text(browser, url):
    response = browser.client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_of_accounts_leads_to_it(root, user, page):
    assert f'href="{page}"' in root.list(Credits)


def test_in_order(root, completed, page):
    content = text(root, page)
    assert content.count(GREEN) == len(ledger_audit.RULES) + 1
    assert RED not in content
    assert "What is off" not in content
    for rule in ledger_audit.RULES:
        assert rule in content


def test_off(root, completed, user, page):
    Job.objects.filter(pk=completed.pk).update(credits_cost=6)
    stop_comparing_books()
    Credits.objects.filter(user=user).update(seq=F("seq") + 1)
    content = text(root, page)
    assert content.count(RED) == 3  # the whole, and two rules
    assert "2 off" in content
    assert content.count(page_url(user)) == 1  # both below one heading
    assert page_url(completed) in content
    assert "<td>6</td><td>5</td>" in content


@pytest.mark.parametrize("excess", [0, 1])
def test_no_more_is_shown_than_fits_a_page(root, make_user, page, monkeypatch, excess):
    monkeypatch.setattr(ledger_audit_admin, "MAX_LISTED_PER_RULE", 2)
    stop_comparing_books()
    for _ in range(2 + excess):
        Credits.objects.filter(user=make_user()).update(seq=1)
    content = text(root, page)
    assert content.count("<td>seq_is_the_last</td>") == 2 + 1  # and in the list of rules
    assert ("And 1 more" in content) is bool(excess)


@pytest.fixture
def locked_ledger(db):
    """Somebody keeps the accounts to themselves."""
    other = connection.copy()
    other.set_autocommit(False)
    other.cursor().execute("LOCK TABLE credits")
    yield
    other.close()


def test_a_check_that_takes_too_long_says_so(root, locked_ledger, page, monkeypatch):
    monkeypatch.setattr(ledger_audit_admin, "TIME_LIMIT", timedelta(milliseconds=50))
    response = root.client.get(page)
    assert response.status_code == 503
    assert "manage.py ledger_verify" in response.content.decode()


def test_who_may_not_see_the_ledger_does_not_see_it(staff_with, user, browser_of, page):
    assert staff_with("credits.view_credits").client.get(page).status_code == 403
    assert browser_of(user).client.get(page).status_code == 302
    allowed = staff_with("credits.view_credits", "credits.view_credittransaction")
    assert allowed.client.get(page).status_code == 200
    assert allowed.client.post(page).status_code == 405
