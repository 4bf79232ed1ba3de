"""`/credits` and `/credits/history`."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auteur.core.api.pagination import Cursor
from credits import balances, ledger
from credits.models import CreditTransaction, GrantKind
from tests.credits.books import stop_comparing_books
from tests.credits.clock import pass_time

pytestmark = pytest.mark.django_db

ROW_FIELDS = {"id", "amount", "balance_after", "type", "description", "job_id", "created_at"}


def grant(user: User, *amounts: int) -> None:
    for amount in amounts:
        with transaction.atomic():
            ledger.grant(user_id=user.pk, amount=amount, description=f"Grant of {amount}")


def cursor(**parts: Any) -> str:
    return base64.b64encode(urlencode(parts).encode()).decode()


def test_the_balance_is_the_users_own(
    client_of: Callable[[User], APIClient], make_user: Callable[..., User]
) -> None:
    ann, bob = make_user(balance=7), make_user()
    assert client_of(ann).get("/credits").json()["balance"] == 7
    assert client_of(bob).get("/credits").json() == {"balance": 0, "grants": [], "key": None}


def test_the_balance_says_what_expires_when(api: APIClient, user: User) -> None:
    soon = timezone.now() + timedelta(days=3)
    with transaction.atomic():
        ledger.grant(user_id=user.pk, amount=5, kind=GrantKind.SUBSCRIPTION, expires_at=soon)
    body = api.get("/credits").json()
    assert body["balance"] == 105
    first, second = body["grants"]
    assert datetime.fromisoformat(first["expires_at"]) == soon
    assert (first["kind"], first["amount"], first["remaining"]) == ("subscription", 5, 5)
    assert (second["kind"], second["expires_at"], second["remaining"]) == ("promo", None, 100)
    pass_time(user.pk, timedelta(days=3))
    body = api.get("/credits").json()
    assert (body["balance"], [item["kind"] for item in body["grants"]]) == (100, ["promo"])


def test_so_many_grants_are_told(
    api: APIClient, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balances, "GRANTS_SHOWN", 2)
    grant(user, 1)
    assert len(api.get("/credits").json()["grants"]) == 2
    grant(user, 1)
    body = api.get("/credits").json()
    assert (body["balance"], len(body["grants"])) == (102, 2)


def test_the_balance_of_a_past_time(api: APIClient, user: User) -> None:
    at = timezone.now()
    body = api.get("/credits", {"at": at.isoformat()}).json()
    assert (body["balance"], datetime.fromisoformat(body["at"])) == (100, at)
    body = api.get("/credits", {"at": "2020-01-01T00:00:00Z"}).json()
    assert body == {"balance": 0, "key": None, "at": "2020-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("at", "code"),
    [("soon", "invalid"), ("9999-01-01T00:00:00Z", "future_time"), ("\x00", "invalid")],
)
def test_a_time_that_is_none_or_to_come(api: APIClient, at: str, code: str) -> None:
    response = api.get("/credits", {"at": at})
    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert error["field"] == "at"
    assert error["code"] == code


def test_the_history_is_newest_first_and_adds_up(api: APIClient, user: User) -> None:
    grant(user, 5, 6)
    page = api.get("/credits/history").json()
    assert set(page) == {"transactions", "next", "previous"}
    assert (page["next"], page["previous"]) == (None, None)
    rows = page["transactions"]
    assert [(row["amount"], row["balance_after"]) for row in rows] == [
        (6, 111),
        (5, 105),
        (100, 100),
    ]
    assert set(rows[0]) == ROW_FIELDS
    assert (rows[0]["type"], rows[0]["description"]) == ("bonus", "Grant of 6")
    assert rows[0]["job_id"] is None


def test_the_history_is_the_users_own(
    client_of: Callable[[User], APIClient], make_user: Callable[..., User], user: User
) -> None:
    assert client_of(make_user()).get("/credits/history").json()["transactions"] == []


def test_pages_are_complete_in_both_directions_while_rows_are_added(
    api: APIClient, user: User
) -> None:
    grant(user, *range(1, 8))
    first = api.get("/credits/history", {"limit": 3}).json()
    grant(user, 50)
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()
    amounts = [row["amount"] for page in (first, second, third) for row in page["transactions"]]
    assert amounts == [7, 6, 5, 4, 3, 2, 1, 100]
    assert third["next"] is None
    assert api.get(second["previous"]).json()["transactions"] == first["transactions"]


def test_a_page_has_fifty_rows_unless_asked(api: APIClient, user: User) -> None:
    stop_comparing_books()
    rows = [
        CreditTransaction(user=user, seq=seq, amount=1, balance_after=seq, type="bonus")
        for seq in range(2, Cursor.max_page_size + 2)
    ]
    CreditTransaction.objects.bulk_create(rows)
    assert len(api.get("/credits/history").json()["transactions"]) == 50
    for limit in (1, Cursor.max_page_size):
        page = api.get("/credits/history", {"limit": limit}).json()
        assert len(page["transactions"]) == limit


@pytest.mark.parametrize("limit", ["", "0", "-1", "x", "1.5", "201", "9" * 5000, "\x00"])
def test_no_page_has_so_many_rows(api: APIClient, limit: str) -> None:
    response = api.get("/credits/history", {"limit": limit})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_limit")
    [error] = response.json()["errors"]
    assert (error["field"], error["detail"]) == ("limit", "limit must be between 1 and 200.")


@pytest.mark.parametrize(
    "made_up",
    [
        "x",
        "é",
        cursor(p="x"),
        cursor(p="2026-01-01T00:00:00+00:00"),
        cursor(p="1.5"),
        cursor(p="\x00"),
        cursor(p="1;drop table users"),
        cursor(p="9" * 5000),
        cursor(o="x"),
        cursor(o="-1"),
    ],
)
def test_a_made_up_cursor_is_refused(api: APIClient, made_up: str) -> None:
    response = api.get("/credits/history", {"cursor": made_up})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("position", ["0", "-1", str(2**63), str(10**30), str(-(10**30))])
def test_a_position_beyond_the_rows_is_an_empty_or_a_full_page(
    api: APIClient, position: str
) -> None:
    for reverse in ("0", "1"):
        response = api.get("/credits/history", {"cursor": cursor(p=position, r=reverse)})
        assert response.status_code == 200
        assert len(response.json()["transactions"]) in {0, 1}


def test_neither_can_be_written(api: APIClient) -> None:
    for path in ("/credits", "/credits/history"):
        assert api.post(path, {"balance": 9}, format="json").status_code == 405
