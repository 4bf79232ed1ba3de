"""Guests (Supabase's anonymous sign-in): they look around and bring media; money is for others."""

import uuid

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from credits import ledger
from projects.models import Project
from tests.accounts.provider import signed

pytestmark = pytest.mark.django_db


def client(**claims):
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {signed(**claims)}")
    return api


@pytest.fixture
def guest_id():
    return str(uuid.uuid4())


@pytest.fixture
def guest(guest_id):
    return client(sub=guest_id, email="", is_anonymous=True)


@pytest.mark.parametrize(
    "path", ["/users/me", "/projects", "/media", "/jobs", "/credits", "/events", "/features"]
)
def test_guests_read(guest, path):
    assert guest.get(path).status_code == 200


def test_guests_make_projects_and_ask_prices(guest, guest_id):
    assert guest.post("/projects", {"name": "Film"}, format="json").status_code == 201
    assert Project.objects.get().user_id == uuid.UUID(guest_id)
    assert guest.post("/jobs/noop/estimate", {}, format="json").status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/jobs/noop", {"price": 0}),
        ("/jobs/batch", {"jobs": [{"type": "noop"}]}),
        (f"/jobs/{uuid.UUID(int=7)}/retry", {}),
        ("/api-keys", {"name": "Script", "scopes": ["jobs"]}),
    ],
)
def test_what_moves_money_needs_an_account(guest, path, body):
    answer = guest.post(path, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_required")


def test_guests_have_a_profile(guest):
    answer = guest.patch("/users/me", {"name": "Ann"}, format="json")
    assert (answer.status_code, answer.json()["name"]) == (200, "Ann")


@pytest.mark.parametrize("claim", [True, "true", 1])
def test_in_doubt_it_is_a_guest(claim):
    answer = client(sub=str(uuid.uuid4()), is_anonymous=claim).post("/jobs/noop", {}, format="json")
    assert answer.json()["code"] == "sign_in_required"


def test_whoever_says_that_they_are_none_has_an_account(user):
    person = client(sub=str(user.pk), email=user.email, is_anonymous=False)
    assert person.post("/jobs/noop", {"price": 1}, format="json").status_code == 202


def test_a_guest_who_signs_in_keeps_all_and_is_welcomed_once(guest, guest_id, settings):
    settings.SIGNUP_CREDITS = 10
    guest.post("/projects", {"name": "Film"}, format="json")
    assert ledger.get_balance(user_id=uuid.UUID(guest_id)) == 0
    person = client(sub=guest_id, email="ann@example.com")
    for _ in range(2):
        assert person.get("/users/me").json()["email"] == "ann@example.com"
        assert person.get("/credits").json()["balance"] == 10
        assert guest.get("/users/me").json()["email"] == "ann@example.com"  # an older token
    assert [project["name"] for project in person.get("/projects").json()["projects"]] == ["Film"]
    assert User.objects.count() == 1


def test_nobody_takes_a_guest_s_address(guest, guest_id, settings):
    settings.SIGNUP_CREDITS = 10
    address = guest.get("/users/me").json()["email"]
    assert address == f"{guest_id}@guest.invalid"
    for item in (address, "me@GUEST.invalid"):
        answer = client(sub=str(uuid.uuid4()), email=item).get("/users/me")
        assert (answer.status_code, answer.json()["code"]) == (403, "email_required")
