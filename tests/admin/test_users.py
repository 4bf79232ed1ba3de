"""Users in the admin: balances and plans through the domain, rights for superusers only."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Subscription, User
from credits import ledger
from credits.models import CreditGrant, Credits, CreditTransaction
from tests.admin.conftest import REASON, XSS, messages_of, page_url, records_of
from tests.credits.books import stop_comparing_books

INLINE = {"subscriptions-TOTAL_FORMS": "0", "subscriptions-INITIAL_FORMS": "0"}
GRANT = {"amount": "7", "kind": "promo", "description": "Sorry for the wait", "reason": REASON}


def balance_of(user):
    return ledger.get_balance(user_id=user.pk)


def password_url(user):
    return f"/admin/accounts/user/{user.pk}/password/"


@pytest.fixture
def editor(staff_with):
    """Staff who may change users, and nothing else."""
    return staff_with("accounts.view_user", "accounts.change_user")


@pytest.fixture
def colleague(make_user):
    return make_user(email="colleague@example.com", is_staff=True)


class TestReading:
    def test_the_list_shows_plan_and_balance(self, root, user):
        Subscription.objects.create(user=user, plan="pro", status="active")
        listed = root.list(User, q=user.email)
        assert ">Pro<" in listed
        assert ">100</a>" in listed

    def test_a_user_without_account_is_shown(self, root, user):
        stop_comparing_books()
        Credits.objects.filter(user=root.user).delete()
        assert root.user.email in root.list(User)
        assert root.user.email in root.page(root.user)

    @pytest.mark.parametrize("field", ["email", "name", "id"])
    def test_search(self, root, make_user, field):
        user = make_user(email="wanted@example.com", name="Wanda Wanted")
        other = make_user(email="other@example.com", name="Otto")
        listed = root.list(User, q=str(getattr(user, field)))
        assert user.email in listed
        assert other.email not in listed

    @pytest.mark.parametrize(("plan", "result"), [("pro", 1), ("starter", 0), ("none", 0)])
    def test_filter_by_plan(self, root, user, plan, result):
        Subscription.objects.create(user=user, plan="pro", status="active")
        assert root.list(User, plan=plan).count(f">{user.email}<") == result

    def test_a_plan_whose_time_is_over_is_none(self, root, user):
        yesterday = timezone.now() - timedelta(days=1)
        Subscription.objects.create(
            user=user, plan="pro", status="active", current_period_end=yesterday
        )
        assert user.email in root.list(User, plan="none")
        assert user.email not in root.list(User, plan="pro")

    def test_closed_accounts_are_found(self, root, user, make_user):
        closed = make_user(email="closed@example.com", closing_at=timezone.now())
        listed = root.list(User, closing_at__isempty="0")
        assert closed.email in listed
        assert user.email not in listed
        assert "Closing at" in root.page(closed)

    def test_a_user_leads_to_what_is_theirs(self, root, user):
        page = root.page(user)
        for path in ("jobs/job", "projects/project", "credits/credittransaction"):
            assert f"/admin/{path}/?user__id__exact={user.pk}" in page

    def test_a_name_is_text(self, root, make_user):
        named = make_user(name=XSS)
        assert XSS not in root.page(named)
        assert XSS not in root.list(User)

    def test_no_password_is_shown(self, root, user):
        user.set_password("correct horse battery")
        user.save()
        assert user.password not in root.page(user)
        assert "pbkdf2" not in root.page(user)


class TestGrant:
    def test_asks_first(self, root, user):
        page = root.act("grant_credits", user).content.decode()
        assert 'name="amount"' in page
        assert "balance 100 · plan: -" in page
        assert balance_of(user) == 100

    def test_moves_the_balance_by_the_ledger_and_is_recorded(self, root, user):
        response = root.act("grant_credits", user, **GRANT)
        assert balance_of(user) == 107
        row = CreditTransaction.objects.filter(user=user).latest("seq")
        assert (row.type, row.amount, row.balance_after) == ("bonus", 7, 107)
        assert row.description == "Sorry for the wait"
        done = "Granted 7; the balance is 107."
        assert messages_of(response) == [f"user {user}: {done}"]
        assert records_of(user) == [(root.user, f"{done} Reason: {REASON}")]

    def test_to_several(self, root, make_user):
        users = [make_user(), make_user()]
        root.act("grant_credits", *users, **GRANT)
        assert [balance_of(user) for user in users] == [7, 7]

    def test_opens_an_account_where_there_is_none(self, root, colleague):
        stop_comparing_books()
        Credits.objects.filter(user=colleague).delete()
        root.act("grant_credits", colleague, **GRANT)
        assert balance_of(colleague) == 7

    def test_nobody_gives_to_themselves(self, root):
        response = root.act("grant_credits", root.user, **GRANT)
        assert "Ask a colleague" in messages_of(response)[0]
        assert balance_of(root.user) == 0

    def test_of_a_kind_and_until_a_time(self, root, user):
        later = timezone.now() + timedelta(days=30)
        values = {"kind": "purchase", "expires_at": later.strftime("%Y-%m-%dT%H:%M")}
        root.act("grant_credits", user, **GRANT | values)
        grant = CreditGrant.objects.filter(user=user).latest("id")
        assert (grant.kind, grant.amount, grant.by) == ("purchase", 7, root.user)
        assert grant.expires_at == later.replace(second=0, microsecond=0)

    def test_not_until_a_time_that_is_over(self, root, user):
        values = GRANT | {"expires_at": "2020-01-01T00:00"}
        assert root.act("grant_credits", user, **values).status_code == 400
        assert balance_of(user) == 100

    def test_takes_the_largest_amount(self, root, user, settings):
        settings.TWO_EYES_CREDITS = ledger.MAX_AMOUNT
        root.act("grant_credits", user, **GRANT | {"amount": ledger.MAX_AMOUNT})
        assert balance_of(user) == 100 + ledger.MAX_AMOUNT

    @pytest.mark.parametrize("amount", ["0", "-5", ledger.MAX_AMOUNT + 1, "many", ""])
    def test_refuses_what_is_no_amount(self, root, user, amount):
        assert root.act("grant_credits", user, **GRANT | {"amount": amount}).status_code == 400
        assert balance_of(user) == 100

    def test_past_the_columns_range_is_refused(self, root, user):
        stop_comparing_books()
        Credits.objects.filter(user=user).update(balance=2**31 - 2)
        response = root.act("grant_credits", user, **GRANT)
        assert "would exceed its allowed range" in messages_of(response)[0]
        assert balance_of(user) == 2**31 - 2

    def test_is_for_who_may_change_credits(self, editor, staff_with, user):
        editor.act("grant_credits", user, **GRANT)
        assert balance_of(user) == 100
        cashier = staff_with("accounts.view_user", "credits.change_credits")
        cashier.act("grant_credits", user, **GRANT)
        assert balance_of(user) == 107

    def test_who_may_only_see_cannot(self, viewer, user):
        assert "grant_credits" not in viewer.page(user)
        viewer.act("grant_credits", user, **GRANT)
        assert balance_of(user) == 100


class TestPlan:
    def test_begins_a_plan_and_is_recorded(self, root, user):
        response = root.act("change_plan", user, plan="pro", reason=REASON)
        assert user.plan == "pro"
        assert messages_of(response) == [f"user {user}: Plan Pro."]
        assert records_of(user) == [(root.user, f"Plan Pro. Reason: {REASON}")]

    def test_ends_the_one_before(self, root, user):
        root.act("change_plan", user, plan="pro", reason=REASON)
        root.act("change_plan", user, plan="starter", reason=REASON)
        assert user.plan == "starter"
        assert user.subscriptions.filter(status="cancelled").count() == 1

    def test_takes_a_plan_away(self, root, user):
        root.act("change_plan", user, plan="pro", reason=REASON)
        root.act("change_plan", user, plan="none", reason=REASON)
        assert user.plan is None

    def test_with_an_end(self, root, user):
        root.act("change_plan", user, plan="pro", reason=REASON, period_end="2999-12-31T23:59")
        assert f"{user.subscription.current_period_end:%Y-%m-%d %H:%M}" == "2999-12-31 23:59"

    def test_cannot_end_in_the_past(self, root, user):
        response = root.act(
            "change_plan", user, plan="pro", reason=REASON, period_end="2020-01-01T00:00"
        )
        assert response.status_code == 400
        assert user.plan is None

    def test_is_for_who_may_change_subscriptions(self, editor, user):
        editor.act("change_plan", user, plan="pro", reason=REASON)
        assert user.plan is None


class TestEditing:
    def save(self, browser, user, **fields):
        data = {"name": user.name, "is_active": "on", **INLINE, **fields}
        return browser.client.post(page_url(user), data)

    def test_name(self, root, user):
        assert self.save(root, user, name="New").status_code == 302
        user.refresh_from_db()
        assert user.name == "New"

    def test_a_client_can_be_shut_out(self, root, user):
        root.client.post(page_url(user), {"name": "", **INLINE})
        user.refresh_from_db()
        assert not user.is_active

    def test_who_is_forgotten_stays_so(self, root, make_user):
        gone = make_user(is_active=False, closing_at=timezone.now())
        self.save(root, gone)
        gone.refresh_from_db()
        assert not gone.is_active

    def test_who_was_shut_out_is_let_in(self, root, make_user):
        tomorrow = timezone.now() + timedelta(days=1)
        shut_out = make_user(is_active=False, closing_at=tomorrow)
        self.save(root, shut_out)
        shut_out.refresh_from_db()
        assert shut_out.is_active

    def test_the_email_is_the_tokens(self, root, user):
        before = user.email
        self.save(root, user, email="thief@example.com")
        user.refresh_from_db()
        assert user.email == before

    def test_writes_the_changed_columns_only(self, root, user, django_assert_max_num_queries):
        with django_assert_max_num_queries(30) as queries:
            self.save(root, user, name="New")
        [update] = [q["sql"] for q in queries if q["sql"].startswith('UPDATE "users"')]
        assert '"email"' not in update
        assert '"name"' in update

    def test_superusers_make_staff(self, root, user):
        self.save(root, user, is_staff="on")
        user.refresh_from_db()
        assert user.is_staff

    def test_nobody_else_does(self, editor, user):
        self.save(editor, user, name="New", is_staff="on", is_superuser="on")
        user.refresh_from_db()
        assert (user.name, user.is_staff, user.is_superuser) == ("New", False, False)

    def test_staff_do_not_change_staff(self, editor, colleague):
        assert self.save(editor, colleague, name="New").status_code == 403
        assert self.save(editor, editor.user, is_superuser="on").status_code == 403

    def test_superusers_cannot_lock_themselves_out(self, root):
        root.client.post(page_url(root.user), {"name": "Root", **INLINE})
        root.user.refresh_from_db()
        assert root.user.name == "Root"
        assert root.user.is_active
        assert root.user.is_superuser


class TestPassword:
    NEW = "a rather long passphrase"

    def set(self, browser, user):
        data = {"password1": self.NEW, "password2": self.NEW, "usable_password": "true"}
        return browser.client.post(password_url(user), data)

    def test_of_staff_is_set_by_superusers(self, root, colleague):
        assert password_url(colleague) in root.page(colleague)
        assert root.client.get(password_url(colleague)).status_code == 200
        assert self.set(root, colleague).status_code == 302
        colleague.refresh_from_db()
        assert colleague.check_password(self.NEW)
        assert records_of(colleague) == [(root.user, '[{"changed": {"fields": ["password"]}}]')]

    def test_of_staff_is_not_set_by_others(self, editor, colleague, root):
        assert self.set(editor, colleague).status_code == 403
        assert self.set(editor, root.user).status_code == 403

    def test_clients_have_none(self, root, user):
        assert "Clients sign in by token." in root.page(user)
        assert self.set(root, user).status_code == 403

    def test_ones_own_is_changed_with_the_old_one(self, client, colleague):
        colleague.set_password("the old passphrase")
        colleague.save()
        sign_in = {"username": colleague.email, "password": "the old passphrase"}
        client.post("/admin/login/", sign_in)
        client.post(
            "/admin/password_change/",
            {
                "old_password": "the old passphrase",
                "new_password1": self.NEW,
                "new_password2": self.NEW,
            },
        )
        colleague.refresh_from_db()
        assert colleague.check_password(self.NEW)


def test_signing_in(client, colleague):
    colleague.set_password("the old passphrase")
    colleague.save()
    sign_in = {"username": colleague.email, "password": "the old passphrase", "next": "/admin/"}
    assert client.post("/admin/login/", sign_in).url == "/admin/"
