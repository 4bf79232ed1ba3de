"""Sessions of staff: they end when idle; money and rights ask who it is; the record only grows."""

import time
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import StaffEvent, User
from accounts.staff.sessions import IDENTITY_AT, SEEN_AT, TOUCH_SECONDS
from accounts.staff.site import AGAIN
from credits import ledger
from tests.admin.conftest import REASON, list_url, page_url

PASSWORD = "correct-horse-battery"
GRANT = {"amount": "7", "kind": "promo", "description": "Sorry", "reason": REASON}
IDENTITY = "/admin/identity/"


@pytest.fixture
def boss(make_user):
    user = make_user(is_staff=True, is_superuser=True)
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def browser(browser_of, boss):
    return browser_of(boss)


def shown_ago(browser, seconds):
    session = browser.client.session
    session[IDENTITY_AT] = time.time() - seconds
    session.save()


def kinds():
    return list(StaffEvent.objects.order_by("id").values_list("kind", flat=True))


class TestIdentity:
    @pytest.mark.parametrize(("seconds", "asked"), [(595, False), (600, True)])
    def test_is_asked_for_after_ten_minutes(self, browser, user, seconds, asked):
        shown_ago(browser, seconds)
        browser.act("grant_credits", user, **GRANT)
        assert ledger.get_balance(user_id=user.pk) == (100 if asked else 107)

    def test_is_asked_for_before_the_form_and_leads_back(self, browser, user):
        shown_ago(browser, 600)
        data = {"action": "grant_credits", "_selected_action": str(user.pk), "from_object": "1"}
        response = browser.client.post(list_url(User), data, follow=True)
        [(url, _)] = response.redirect_chain
        assert url.startswith(IDENTITY)
        assert AGAIN in response.content.decode()
        assert browser.client.post(url, {"code_or_password": PASSWORD}).url == page_url(user)
        browser.act("grant_credits", user, **GRANT)
        assert ledger.get_balance(user_id=user.pk) == 107
        assert kinds() == ["identity_confirmed"]

    def test_wrong_answers_change_nothing_and_are_recorded(self, browser, user):
        shown_ago(browser, 600)
        for item in ("wrong", ""):
            assert browser.client.post(IDENTITY, {"code_or_password": item}).status_code == 200
        browser.act("grant_credits", user, **GRANT)
        assert ledger.get_balance(user_id=user.pk) == 100
        assert kinds() == ["identity_failed"]

    @pytest.mark.parametrize("action", ["change_plan", "grant_credits"])
    def test_money_wants_it(self, browser, user, action):
        shown_ago(browser, 600)
        assert browser.act(action, user).redirect_chain[0][0].startswith(IDENTITY)

    def test_running_again_wants_it_and_cancelling_does_not(self, browser, job, completed):
        shown_ago(browser, 600)
        assert browser.act("run_again", completed).redirect_chain[0][0].startswith(IDENTITY)
        assert browser.act("cancel", job).redirect_chain == []

    def test_rights_and_passwords_want_it(self, browser, make_user):
        other = make_user(is_staff=True)
        shown_ago(browser, 600)
        for url in (
            page_url(other),
            f"/admin/accounts/user/{other.pk}/password/",
            "/admin/password_change/",
        ):
            assert browser.client.post(url, {"is_superuser": "on"}).url.startswith(IDENTITY), url
        other.refresh_from_db()
        assert not other.is_superuser
        assert browser.client.get(page_url(other)).status_code == 200

    def test_signing_in_shows_it(self, client, boss, user):
        client.post("/admin/login/", {"username": boss.email, "password": PASSWORD})
        data = {"action": "grant_credits", "_selected_action": str(user.pk)}
        assert "confirm-action" in client.post(list_url(User), data).content.decode()


class TestIdle:
    def ends_in(self, browser):
        session = Session.objects.get(pk=browser.client.session.session_key)
        return (session.expire_date - timezone.now()).total_seconds()

    def test_a_session_ends_half_an_hour_after_its_last_use(self, browser):
        browser.client.get("/admin/")
        assert 30 * 60 - 5 < self.ends_in(browser) <= 30 * 60
        Session.objects.update(expire_date=timezone.now() + timedelta(seconds=9))
        browser.client.get("/admin/")
        assert self.ends_in(browser) < 10  # it was used a moment ago
        session = browser.client.session
        session[SEEN_AT] -= TOUCH_SECONDS
        session.save()
        browser.client.get("/admin/")
        assert self.ends_in(browser) > 29 * 60

    def test_and_then_asks_for_the_password(self, browser):
        browser.client.get("/admin/")
        Session.objects.update(expire_date=timezone.now())
        assert browser.client.get("/admin/").url.startswith("/admin/login/")

    def test_minutes_are_a_setting(self, browser, settings):
        settings.STAFF_IDLE_MINUTES = 1
        browser.client.get("/admin/")
        assert self.ends_in(browser) <= 60


class TestRecord:
    def test_sign_ins_and_sign_outs_with_address(self, client, boss):
        for password in ("wrong", PASSWORD):
            form = {"username": boss.email, "password": password}
            client.post("/admin/login/", form, REMOTE_ADDR="192.0.2.7")
        client.post("/admin/logout/", REMOTE_ADDR="192.0.2.7")
        rows = StaffEvent.objects.order_by("id").values_list("user_id", "kind", "address")
        assert [*rows] == [
            (boss.pk, kind, "192.0.2.7") for kind in ("sign_in_failed", "signed_in", "signed_out")
        ]

    def test_an_unknown_address_is_nobodys(self, client, db):
        client.post("/admin/login/", {"username": "who@example.com", "password": "x"})
        assert StaffEvent.objects.get().user_id is None

    def test_lines_of_the_log_have_no_address(self, client, boss, caplog):
        caplog.set_level("INFO")
        client.post("/admin/login/", {"username": boss.email, "password": "wrong"})
        assert f"staff sign_in_failed: user {boss.pk}" in caplog.messages
        assert boss.email not in caplog.text

    def test_an_empty_password_makes_no_address_known(self, client, boss, settings):
        settings.LOGIN_ACCOUNT_RATE_LIMIT = "1/day"
        for password in ("", "wrong"):
            form = {"username": boss.email, "password": password}
            client.post("/admin/login/", form, REMOTE_ADDR="192.0.2.8")
        form = {"username": boss.email, "password": PASSWORD}
        answer = client.post("/admin/login/", form, REMOTE_ADDR="192.0.2.8")
        assert "too many" in answer.content.decode()

    def test_is_on_a_page(self, browser, client, boss):
        client.post("/admin/login/", {"username": boss.email, "password": "wrong"})
        listed = browser.list(StaffEvent)
        assert "Sign-in refused" in listed
        assert boss.email in browser.page(StaffEvent.objects.get())

    @pytest.mark.parametrize("table", ["staff_events", "django_admin_log"])
    @pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET user_id = user_id"])
    def test_only_grows(self, browser, user, table, statement):
        browser.act("grant_credits", user, **GRANT)
        browser.client.post("/admin/logout/")
        with (
            pytest.raises(IntegrityError, match=f"{table} is append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement.format(table))

    def test_what_is_said_of_a_person_can_be_scrubbed_and_nothing_else(self, browser, make_user):
        users = [make_user(), make_user()]
        browser.act("grant_credits", *users, **GRANT)
        first, second = (LogEntry.objects.get(object_id=str(user.pk)) for user in users)
        with connection.cursor() as cursor:
            cursor.execute("SELECT scrub_admin_log(%s)", [[first.pk]])
        first.refresh_from_db()
        assert (first.object_repr, first.change_message) == ("", "")
        assert first.user_id == browser.user.pk
        log_entry = LogEntry.objects.get(pk=second.pk)
        assert REASON in log_entry.change_message
        with pytest.raises(IntegrityError), transaction.atomic():
            LogEntry.objects.filter(pk=first.pk).update(object_repr="back")


def test_the_identity_page_is_found_by_name():
    assert reverse("admin:identity") == IDENTITY
