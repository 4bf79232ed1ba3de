"""What Django says at `/studio`: the page, its policy, where things are, how one may sign in."""

import re

import pytest
from django.test import Client

from accounts import tokens
from accounts.development import CREDITS
from accounts.models import User
from auteur import studio
from credits import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture
def built(settings, tmp_path):
    """Write a built page to the studio's folder."""
    settings.STUDIO_DIR = tmp_path
    (tmp_path / "index.html").write_text("<title>Auteur Studio</title>")


def directives(answer):
    policy = answer.headers["Content-Security-Policy"]
    return {name: rest.split() for name, _, rest in (d.partition(" ") for d in policy.split("; "))}


@pytest.mark.parametrize("path", ["/studio", "/studio/"])
def test_the_page_is_asked_for_each_time(built, client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")
    assert b"Auteur Studio" in answer.content


def test_where_nothing_was_built_it_says_how(settings, tmp_path, client):
    settings.STUDIO_DIR = tmp_path
    answer = client.get("/studio")
    assert answer.status_code == 503
    assert b"make studio" in answer.content


def test_the_policy_allows_what_the_page_works_with_and_nothing_else(built, client, settings):
    settings.PUBLIC_URL, settings.LIVE_URL = (
        "https://api.example.com",
        "https://live.example.com:81",
    )
    settings.SUPABASE_ANON_KEY = "public"
    settings.SUPABASE_JWT_ISSUER = "https://project.supabase.co/auth/v1"
    reports = directives(client.get("/studio"))
    storage = studio._get_storage_origin()
    files = ["'self'", "https://api.example.com", storage]
    assert reports["default-src"] == reports["base-uri"] == reports["form-action"] == ["'none'"]
    assert reports["script-src"] == reports["style-src"] == ["'self'"]
    assert reports["media-src"] == [*files, "blob:"]
    live, issuer = "https://live.example.com:81", "https://project.supabase.co"
    assert reports["connect-src"] == [*files, live, issuer]
    assert "unsafe" not in str(reports)


def test_the_storage_is_where_its_urls_lead(settings):
    studio._get_storage_origin.cache_clear()
    assert studio._get_storage_origin() == re.match(r"https?://[^/]+", settings.PUBLIC_URL)[0]


def test_it_tells_where_things_are_and_nothing_secret(client, settings):
    settings.DEVELOPMENT_SIGN_IN = False
    reports = client.get("/studio/config.json").json()
    assert reports == {
        "live_url": settings.LIVE_URL,
        "supabase": None,
        "development_sign_in": False,
    }
    settings.SUPABASE_ANON_KEY = "public"
    reports = client.get("/studio/config.json").json()
    assert reports["supabase"] == {"auth_url": settings.SUPABASE_JWT_ISSUER, "anon_key": "public"}


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_the_start_address_leads_a_browser_to_the_studio(client):
    answer = client.get("/", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/studio")
    assert "Accept" in answer.headers["Vary"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_the_start_address_tells_a_program_where_the_documents_are(client, settings, accept):
    settings.PUBLIC_URL = "https://api.example.com"
    answer = client.get("/", headers={"Accept": accept})
    assert answer.json() == {
        "name": "Auteur",
        "docs": "https://api.example.com/docs",
        "schema": "https://api.example.com/schema",
        "help": "https://api.example.com/help",
        "studio": "https://api.example.com/studio",
    }
    assert "Accept" in answer.headers["Vary"]


def test_the_icon_is_served_where_browsers_look_for_it(client):
    answer = client.get("/favicon.ico")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    assert answer.content.startswith(b"<svg")


def sign_in(client: Client, email: str):
    return client.post("/studio/sign-in", {"email": email}, content_type="application/json")


def test_nobody_signs_in_by_an_address_alone(client, settings):
    settings.DEVELOPMENT_SIGN_IN = False
    assert sign_in(client, "ann@example.com").status_code == 404
    assert not User.objects.exists()


def test_on_ones_own_machine_an_address_is_enough(client, settings):
    settings.DEVELOPMENT_SIGN_IN = True
    first, again = (sign_in(client, "Ann@example.com").json()["access_token"] for _ in range(2))
    user = User.objects.get(email="ann@example.com")
    assert tokens.verify_token(first).user_id == tokens.verify_token(again).user_id == user.pk
    assert ledger.get_balance(user_id=user.pk) == settings.SIGNUP_CREDITS + CREDITS


@pytest.mark.parametrize("email", ["nobody", "", "a" * 256 + "@example.com"])
def test_what_is_no_address_signs_nobody_in(client, settings, email):
    settings.DEVELOPMENT_SIGN_IN = True
    assert sign_in(client, email).status_code in (400, 403)


def test_a_closed_account_signs_in_no_more(client, settings, make_user):
    settings.DEVELOPMENT_SIGN_IN = True
    make_user(email="gone@example.com", is_active=False)
    assert sign_in(client, "gone@example.com").json()["code"] == "account_inactive"
