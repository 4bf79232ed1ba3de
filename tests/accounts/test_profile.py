"""`/users/me`."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Plan, User
from accounts.serializers import MAX_AVATAR_URL_CHARS, MAX_NAME_CHARS
from accounts.subscriptions import set_plan

pytestmark = pytest.mark.django_db

AVATAR = "https://cdn.example.com/ann.png"


def test_a_profile_shows_plan_and_balance(api: APIClient, user: User) -> None:
    assert api.get("/users/me").json() == {
        "id": str(user.pk),
        "email": user.email,
        "name": "",
        "avatar_url": None,
        "subscription": None,
        "credits": {"balance": 100},
        "storage": {"used_bytes": 0, "limit_bytes": settings.STORAGE_QUOTA_BYTES},
        "closing_at": None,
    }
    set_plan(user_id=user.pk, plan=Plan.PRO)
    profile = api.get("/users/me").json()
    assert profile["subscription"] == {"plan": "pro", "status": "active"}


def test_a_lapsed_plan_does_not_show(api: APIClient, user: User) -> None:
    set_plan(user_id=user.pk, plan=Plan.PRO, period_end=timezone.now() - timedelta(seconds=1))
    assert api.get("/users/me").json()["subscription"] is None


def test_everyone_sees_themselves(
    client_of: Callable[[User], APIClient], make_user: Callable[..., User]
) -> None:
    ann, bob = make_user(balance=1), make_user(balance=2)
    for person, balance in ((ann, 1), (bob, 2)):
        profile = client_of(person).get("/users/me").json()
        assert (profile["id"], profile["credits"]) == (str(person.pk), {"balance": balance})


def test_name_and_picture_can_be_changed_and_taken_away(api: APIClient, user: User) -> None:
    changed = api.patch("/users/me", {"name": "Ann", "avatar_url": AVATAR}, format="json")
    assert (changed.status_code, changed.json()["name"]) == (200, "Ann")
    assert changed.json()["avatar_url"] == AVATAR

    only_name = api.patch("/users/me", {"name": " Annie "}, format="json").json()
    assert (only_name["name"], only_name["avatar_url"]) == ("Annie", AVATAR)

    gone = api.patch("/users/me", {"name": "", "avatar_url": ""}, format="json").json()
    assert (gone["name"], gone["avatar_url"]) == ("", None)
    assert api.get("/users/me").json() == gone


def test_nothing_else_can_be_changed(api: APIClient, user: User) -> None:
    before = api.get("/users/me").json()
    body = {"id": AVATAR, "email": "x@example.com", "credits": {"balance": 9}, "is_staff": True}
    refused = api.patch("/users/me", body, format="json")
    assert (refused.status_code, {e["field"] for e in refused.json()["errors"]}) == (400, set(body))
    assert api.get("/users/me").json() == before
    user.refresh_from_db()
    assert not user.is_staff


def test_what_is_as_long_as_may_be_is_kept(api: APIClient) -> None:
    name = "n" * MAX_NAME_CHARS
    url = f"{AVATAR}?{'a' * (MAX_AVATAR_URL_CHARS - len(AVATAR) - 1)}"
    changed = api.patch("/users/me", {"name": name, "avatar_url": url}, format="json")
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["avatar_url"]) == (name, url)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "n" * (MAX_NAME_CHARS + 1)),
        ("name", None),
        ("name", ["Ann"]),
        ("avatar_url", f"{AVATAR}?{'a' * (MAX_AVATAR_URL_CHARS - len(AVATAR))}"),
        ("avatar_url", "http://cdn.example.com/ann.png"),
        ("avatar_url", "javascript:alert(1)"),
        ("avatar_url", "data:image/png;base64,AAAA"),
        ("avatar_url", "ann.png"),
        ("avatar_url", "https://"),
        ("avatar_url", 7),
    ],
)
def test_a_bad_field_is_named_and_nothing_changes(api: APIClient, field: str, value: Any) -> None:
    before = api.get("/users/me").json()
    body = {"name": "Ann", "avatar_url": AVATAR} | {field: value}
    response = api.patch("/users/me", json.dumps(body), content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert {error["field"] for error in response.json()["errors"]} == {field}
    assert api.get("/users/me").json() == before


@pytest.mark.parametrize(
    "body", ["{", "null", "[]", "7", '"name"', '{"name": "a"', "\x00", '{"name": "\\ud800"}']
)
def test_a_body_that_is_no_object_is_refused(api: APIClient, body: str) -> None:
    response = api.patch("/users/me", body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["code"] in {"invalid", "parse_error"}


def test_other_methods_and_types_are_refused(api: APIClient) -> None:
    assert api.put("/users/me").status_code == 405
    assert api.patch("/users/me", "name=Ann", content_type="text/plain").status_code == 415


@pytest.mark.parametrize("path", ["/users/me", "/credits", "/credits/history"])
def test_a_token_is_needed(path: str, db: None) -> None:
    response = APIClient().get(path)
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
