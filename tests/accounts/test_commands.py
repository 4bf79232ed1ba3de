"""The commands that make tokens, plans and staff."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.core.management.base import CommandError
from rest_framework.test import APIClient

from accounts import tokens
from accounts.management.commands.issue_token import MAX_HOURS
from accounts.models import User
from credits.models import Credits

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def lifetime_hours(token: str) -> float:
    exp = jwt.decode(token, options={"verify_signature": False})["exp"]
    return float(exp - time.time()) / 3600


def test_issue_token_prints_a_token_alone_and_makes_the_user(settings: Any) -> None:
    settings.SIGNUP_CREDITS = 5
    printed = run("issue_token", "--email", "Ann@Example.com")
    token = printed.removesuffix("\n")
    assert token == printed.strip()
    user = User.objects.get(email="ann@example.com")
    assert tokens.verify_token(token).user_id == user.pk
    assert Credits.objects.get(user=user).balance == 5
    assert lifetime_hours(token) == pytest.approx(24, abs=0.01)
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert api.get("/users/me").json()["email"] == "ann@example.com"


def test_issue_token_finds_a_user_whatever_the_case(user: User) -> None:
    token = run("issue_token", "--email", user.email.upper(), "--hours", "2").strip()
    assert tokens.verify_token(token).user_id == user.pk
    assert lifetime_hours(token) == pytest.approx(2, abs=0.01)
    assert User.objects.count() == 1


def test_issue_token_bounds_the_lifetime(user: User) -> None:
    for hours in (1, MAX_HOURS):
        token = run("issue_token", "--email", user.email, "--hours", str(hours)).strip()
        assert lifetime_hours(token) == pytest.approx(hours, abs=0.01)
    for hours in (0, -1, MAX_HOURS + 1):
        with pytest.raises(CommandError, match="--hours"):
            run("issue_token", "--email", user.email, f"--hours={hours}")


def test_issue_token_needs_the_secret_and_makes_nobody_without(settings: Any) -> None:
    settings.SUPABASE_JWT_SECRET = ""
    with pytest.raises(CommandError, match="SUPABASE_JWT_SECRET"):
        run("issue_token", "--email", "ann@example.com")
    assert not User.objects.exists()


def test_issue_token_refuses_what_is_no_address_and_who_is_not_active(user: User) -> None:
    with pytest.raises(CommandError, match="email address"):
        run("issue_token", "--email", "ann")
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match="not active"):
        run("issue_token", "--email", user.email)


def test_set_plan_gives_changes_and_takes_a_plan(user: User) -> None:
    for plan in ("starter", "pro"):
        assert plan in run("set_plan", "--email", user.email.upper(), "--plan", plan)
        assert user.plan == plan
    run("set_plan", "--email", user.email, "--plan", "none")
    assert user.plan is None


def test_set_plan_refuses_unknown_users_and_plans(user: User) -> None:
    with pytest.raises(CommandError, match=r"no user with the address nobody@example\.com"):
        run("set_plan", "--email", "nobody@example.com", "--plan", "pro")
    with pytest.raises(CommandError, match="gold"):
        run("set_plan", "--email", user.email, "--plan", "gold")


def test_create_staff_makes_up_a_password_once() -> None:
    printed = run("create_staff", "--email", "Boss@example.com")
    password = printed.strip().rpartition("password: ")[2]
    staff = authenticate(username="boss@example.com", password=password)
    assert isinstance(staff, User)
    assert staff.is_staff
    assert staff.is_superuser
    assert Credits.objects.filter(user=staff).exists()
    again = run("create_staff", "--email", "boss@example.com")
    assert "Its password is unchanged" in again
    assert authenticate(username="boss@example.com", password=password) == staff
    assert User.objects.count() == 1


def test_create_staff_takes_a_password_and_shows_it_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    printed = run("create_staff", "--email", "file@example.com", "--password-file", str(file))
    assert PASSWORD not in printed
    assert authenticate(username="file@example.com", password=PASSWORD)
    monkeypatch.setenv("STAFF_PASSWORD", PASSWORD)
    assert PASSWORD not in run("create_staff", "--email", "env@example.com")
    assert authenticate(username="env@example.com", password=PASSWORD)


def test_create_staff_keeps_a_password_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAFF_PASSWORD", PASSWORD)
    run("create_staff", "--email", "boss@example.com")
    monkeypatch.setenv("STAFF_PASSWORD", PASSWORD + " 2")
    run("create_staff", "--email", "boss@example.com")
    assert authenticate(username="boss@example.com", password=PASSWORD)
    run("create_staff", "--email", "boss@example.com", "--reset")
    assert authenticate(username="boss@example.com", password=PASSWORD + " 2")
    assert not authenticate(username="boss@example.com", password=PASSWORD)


def test_create_staff_promotes_a_client_who_keeps_id_and_credits(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAFF_PASSWORD", PASSWORD)
    User.objects.get(pk=user.pk).set_unusable_password()
    User.objects.filter(pk=user.pk).update(password="!none")
    run("create_staff", "--email", user.email)
    assert authenticate(username=user.email, password=PASSWORD) == user
    assert Credits.objects.get(user=user).balance == 100


def test_create_staff_takes_rights_that_were_given_one_by_one(user: User) -> None:
    user.user_permissions.add(Permission.objects.get(codename="change_credits"))
    run("create_staff", "--email", user.email, "--role", "support")
    staff = User.objects.get(pk=user.pk)
    assert staff.has_perm("accounts.view_user")
    assert not staff.has_perm("credits.change_credits")


@pytest.mark.parametrize("content", [None, b"", b"  \n", b"\xff", b"short", b"1234567890123"])
def test_create_staff_refuses_a_bad_password(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CommandError):
        run("create_staff", "--email", "boss@example.com", "--password-file", str(file))
    assert not User.objects.exists()


def test_create_staff_refuses_bad_addresses_and_closed_accounts(
    make_user: Callable[..., User],
) -> None:
    with pytest.raises(CommandError, match="email address"):
        run("create_staff", "--email", "boss")
    closed = make_user(is_active=False)
    with pytest.raises(CommandError, match="not active"):
        run("create_staff", "--email", closed.email)
    closed.refresh_from_db()
    assert not closed.is_staff
