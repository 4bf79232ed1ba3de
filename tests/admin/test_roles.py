"""What each role may do: all pages and actions of the admin, walked by each."""

import html
import itertools
import re
from urllib.parse import urljoin

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import RequestFactory
from django.urls import reverse

from accounts.models import StaffEvent, User
from accounts.staff import roles
from accounts.staff.roles import ROLES, SUPERUSER
from auteur.core.admin import OwnObjectProblem
from credits import ledger
from jobs.models import Job
from tests.admin.conftest import REASON, list_url, messages_of, page_url, records_of

JOB_ACTIONS = {"cancel", "requeue", "run_again"}
PAGES = {
    "accounts.User": {"support": "change", "billing": "see"},
    "accounts.StaffEvent": {},
    "accounts.ApiKey": {"support": "see"},
    "accounts.AutoTopUp": {"billing": "see"},
    "accounts.BillingCustomer": {"billing": "see"},
    "accounts.BillingEvent": {"billing": "see"},
    "accounts.BillingPayment": {"billing": "see"},
    "accounts.TopUp": {"billing": "see"},
    "auth.Group": {},
    "credits.Credits": {"support": "see", "billing": "see"},
    "credits.CreditTransaction": {"support": "see", "billing": "see"},
    "credits.CreditGrant": {"support": "see", "billing": "see"},
    "credits.CreditCorrection": {"billing": "see"},
    "jobs.Circuit": {"ops": "see"},
    "jobs.Job": {"support": "see", "billing": "see", "ops": "see"},
    "jobs.WebhookEndpoint": {"support": "see", "ops": "see"},
    "jobs.WebhookDelivery": {"support": "see", "ops": "see"},
    "jobs.Partner": {"ops": "see"},
    "jobs.PartnerRequest": {"ops": "see"},
    "jobs.DeadLetter": {"ops": "see"},
    "media.MediaFile": {"support": "change"},
    "media.MediaImport": {"support": "see"},
    "media.VoiceClone": {"support": "change"},
    "media.Consent": {"support": "change"},
    "projects.Project": {"support": "change"},
}
ACTIONS = {
    ("accounts.User", "grant_credits"): {"billing"},
    ("accounts.User", "change_plan"): {"billing"},
    ("accounts.ApiKey", "revoke"): {"support"},
    ("accounts.BillingCustomer", "clear_flag"): {"billing"},
    ("accounts.BillingEvent", "work_again"): {"billing"},
    ("credits.CreditGrant", "take_back"): {"billing"},
    ("credits.CreditCorrection", "approve"): {"billing"},
    ("credits.CreditCorrection", "refuse"): {"billing"},
    ("media.Consent", "revoke"): {"support"},
    ("jobs.Job", "cancel"): {"support", "ops"},
    ("jobs.Job", "requeue"): {"support", "ops"},
    ("jobs.Job", "run_again"): {"support", "ops"},
    ("jobs.Partner", "check_connection"): set(),
    ("media.MediaFile", "derive_again"): {"support"},
}
SITE_PAGES = {
    "verify-ledger": {"support", "billing"},
    "job-costs": {"support", "billing", "ops"},
}


@pytest.fixture
def browser_as(make_user, browser_of):
    """Staff of a role; of none, where it is empty."""

    def browser(role):
        user = make_user(is_staff=True, is_superuser=role == SUPERUSER)
        if role in ROLES:
            user.groups.set([group for group in roles.ensure_roles() if group.name == role])
        return browser_of(user)

    return browser


@pytest.fixture(params=["", *ROLES, SUPERUSER])
def role(request):
    return request.param


@pytest.fixture
def browser(browser_as, role):
    return browser_as(role)


def registered():
    return {model._meta.label: model for model in admin.site._registry}


def actions_of(user, model):
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=user.pk)
    return set(admin.site.get_model_admin(model).get_actions(request))


def may(role, allowed):
    return role == SUPERUSER or role in allowed


def test_the_tables_above_name_every_page_and_action(browser_as):
    root = browser_as(SUPERUSER)
    assert set(PAGES) == set(registered())
    result = {
        (label, action)
        for label, model in registered().items()
        for action in actions_of(root.user, model)
    }
    assert result == set(ACTIONS)


def test_each_sees_its_lists_and_no_other(role, browser):
    for label, model in registered().items():
        status = browser.client.get(list_url(model)).status_code
        assert status == (200 if may(role, PAGES[label]) else 403), label


@pytest.mark.django_db(transaction=True)  # the audit begins one of its own
def test_each_sees_its_further_pages_and_no_other(browser_as):
    for role in ("", *ROLES, SUPERUSER):
        browser = browser_as(role)
        for name, allowed in SITE_PAGES.items():
            status = browser.client.get(reverse(name)).status_code
            assert status == (200 if may(role, allowed) else 403), (role, name)


def test_each_sees_and_changes_its_pages_and_no_other(role, browser, house):
    for obj in house:
        label = obj._meta.label
        values = "change" if role == SUPERUSER else PAGES[label].get(role)
        answer = browser.client.get(page_url(obj))
        assert answer.status_code == (200 if values else 403), label
        saves = b'name="_save"' in answer.content
        is_fixed = role == SUPERUSER and "change" not in PAGES[label].values()
        assert saves == (values == "change" and not is_fixed), label


def test_nobody_but_superusers_adds_anything(role, browser):
    for label, model in registered().items():
        status = browser.client.get(f"{list_url(model)}add/").status_code
        assert status == (200 if (role, label) == (SUPERUSER, "jobs.Partner") else 403), label


def test_each_has_its_actions_and_no_other(role, browser, house):
    objects = {obj._meta.label: obj for obj in house}
    for (label, action), allowed in ACTIONS.items():
        model = registered()[label]
        if browser.client.get(list_url(model)).status_code == 403:
            continue
        assert (action in actions_of(browser.user, model)) == may(role, allowed), action
        if label in objects:
            page = browser.act(action, objects[label]).content.decode()
            assert ("confirm-action" in page) == may(role, allowed), action


def test_who_clients_are_and_what_is_theirs(browser_as, house, user, job):
    Job.objects.filter(pk=job.pk).update(input_params={"prompt": "a secret wish"})
    seen = {}
    for role in ROLES:
        browser = browser_as(role)
        pages = browser.page(job) + browser.list(Job) + browser.list(Job, user__id__exact=user.pk)
        seen[role] = (user.email in pages, "a secret wish" in pages)
        result = browser.list(Job, q=user.email)
        assert (str(job.pk)[-8:] in result) == seen[role][0]
    assert seen == {"support": (True, True), "billing": (True, False), "ops": (False, False)}


def test_filters_and_links_lead_to_lists(browser_as, house):
    root = browser_as(SUPERUSER)
    pages = [url for obj in house for url in (list_url(type(obj)), page_url(obj))]
    result = {
        urljoin(page, html.unescape(link))
        for page in [*pages, reverse("job-costs")]
        for link in re.findall(
            r'href="((?:/admin/\w+/\w+/)?\?[^"]+)"', str(root.client.get(page).content)
        )
    }
    assert len(result) > 100
    for url in result:
        assert root.client.get(url).status_code == 200, url


@pytest.mark.parametrize(
    ("label", "lookup"),
    [
        ("jobs.Job", "input_params__prompt__startswith"),
        ("jobs.Job", "error_code__regex"),
        ("jobs.Job", "user__email__startswith"),
        ("jobs.WebhookDelivery", "body__contains"),
        ("jobs.PartnerRequest", "token__regex"),
        ("accounts.User", "password__startswith"),
    ],
)
def test_what_is_hidden_is_not_asked_for_letter_by_letter(browser_as, label, lookup):
    answer = browser_as(SUPERUSER).client.get(list_url(registered()[label]), {lookup: "a"})
    assert answer.status_code == 400


def test_a_job_is_found_by_its_id_without_seeing_whose_it_is(browser_as, job):
    assert str(job.pk)[-8:] in browser_as("ops").list(Job, q=str(job.pk))


def test_nobody_does_anything_to_what_is_their_own(browser_of, make_user, make_job):
    root = browser_of(make_user(balance=5, is_staff=True, is_superuser=True))
    own = make_job(root.user, minutes=10)
    values = {"amount": "7", "kind": "promo", "description": "For me"}
    values |= {"plan": "pro", "price": "house"}
    refused = OwnObjectProblem.default_detail
    for obj, action in itertools.chain(
        ((root.user, action) for action in ("grant_credits", "change_plan")),
        ((own, action) for action in JOB_ACTIONS),
    ):
        answer = root.act(action, obj, reason=REASON, **values)
        assert refused in messages_of(answer)[0], action
    assert ledger.get_balance(user_id=root.user.pk) == 0
    assert root.user.plan is None
    assert records_of(root.user) == []


def test_may_credit_is_asked_for_by_whoever_gives_credits(browser_as, user):
    billing, support = browser_as("billing").user, browser_as("support").user
    assert roles.can_grant_credits(by=billing, user=user)
    assert not roles.can_grant_credits(by=billing, user=billing)
    assert not roles.can_grant_credits(by=support, user=user)


def test_a_refusal_is_recorded(browser_as):
    ops = browser_as("ops")
    ops.client.get(list_url(User))
    event = StaffEvent.objects.get(user=ops.user, kind="refused")
    assert event.path == list_url(User)


def test_roles_are_as_the_code_says_however_often(db, capsys):
    call_command("staff_roles")
    Group.objects.get(name="ops").permissions.set(Permission.objects.all())
    call_command("staff_roles")
    for name, expected in ROLES.items():
        rows = Group.objects.get(name=name).permissions.values_list(
            "content_type__app_label", "codename"
        )
        assert {".".join(pair) for pair in rows} == expected
    assert "ops: 8 permissions" in capsys.readouterr().out


def test_create_staff_gives_one_role(make_user, monkeypatch):
    monkeypatch.setenv("STAFF_PASSWORD", "correct-horse-battery")
    user = make_user(is_staff=True, is_superuser=True)
    call_command("create_staff", "--email", user.email, "--role", "billing")
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser) == (True, False)
    assert [group.name for group in user.groups.all()] == ["billing"]
