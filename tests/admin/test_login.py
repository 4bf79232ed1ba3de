"""The admin's login: wrong passwords close it for a while, for an address and for an account."""

import uuid
from dataclasses import dataclass, field

import pytest
from django.test import Client
from django.urls import reverse

from accounts.staff import members

PASSWORD = "correct-horse-battery"


def somewhere() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Visitor:
    """One who comes from an address that nobody has come from."""

    email: str
    address: str = field(default_factory=somewhere)

    def login(self, password: str, email: str | None = None, forwarded: str | None = None) -> str:
        """What the login answers; nothing where it lets in."""
        form = {"username": email or self.email, "password": password}
        headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
        answer = Client().post(reverse("admin:login"), form, REMOTE_ADDR=self.address, **headers)
        return "" if answer.status_code == 302 else answer.content.decode()


@pytest.fixture(autouse=True)
def two_wrong_passwords(settings):
    settings.LOGIN_RATE_LIMIT = "2/15 minutes"
    settings.LOGIN_ACCOUNT_RATE_LIMIT = "4/day"


@pytest.fixture
def email(db) -> str:
    """The account of a member of staff."""
    user, _ = members.ensure_staff(email=f"{uuid.uuid4().hex}@example.com", password=PASSWORD)
    return user.email


@pytest.fixture
def visitor(email: str) -> Visitor:
    return Visitor(email)


def test_right_passwords_let_in_and_are_not_counted(visitor: Visitor):
    assert [visitor.login(PASSWORD) for _ in range(4)] == [""] * 4


def test_a_next_that_is_not_ours_leads_to_the_admin(visitor: Visitor):
    for target in ("https://evil.example/", "//evil.example/"):
        form = {"username": visitor.email, "password": PASSWORD, "next": target}
        answer = Client().post(reverse("admin:login"), form, REMOTE_ADDR=visitor.address)
        assert (answer.status_code, answer["Location"]) == (302, reverse("admin:index"))


def test_the_limit_and_one_past_it(visitor: Visitor):
    assert ["correct email" in visitor.login("wrong") for _ in range(2)] == [True, True]
    assert "too many wrong passwords" in visitor.login("wrong")
    assert "too many wrong passwords" in visitor.login(PASSWORD)


def test_an_address_that_tries_many_accounts_is_refused(visitor: Visitor):
    for _ in range(2):
        visitor.login("wrong", f"{uuid.uuid4().hex}@example.com")
    assert "too many" in visitor.login(PASSWORD)
    assert Visitor(visitor.email).login(PASSWORD) == ""


def test_many_addresses_that_try_one_account_are_refused(visitor: Visitor):
    others = [Visitor(visitor.email).login("wrong", visitor.email.upper()) for _ in range(4)]
    assert all("correct email" in answer for answer in others)
    assert "too many" in visitor.login(PASSWORD)


def test_nobody_is_locked_out_from_where_the_account_was_used(visitor: Visitor):
    assert visitor.login(PASSWORD) == ""
    for _ in range(4):
        Visitor(visitor.email).login("wrong")
    assert "too many" in Visitor(visitor.email).login(PASSWORD)
    assert visitor.login(PASSWORD) == ""
    assert visitor.login("wrong", f"{uuid.uuid4().hex}@example.com")
    assert visitor.login(PASSWORD) == ""


def test_what_is_guessed_from_a_known_address_is_counted_there(visitor: Visitor):
    assert visitor.login(PASSWORD) == ""
    assert ["correct email" in visitor.login("wrong") for _ in range(3)] == [True, True, False]
    assert Visitor(visitor.email).login(PASSWORD) == ""


def test_no_header_makes_another_address_of_one_that_no_proxy_vouches_for(visitor: Visitor):
    for _ in range(2):
        visitor.login("wrong", f"{uuid.uuid4().hex}@example.com", forwarded=somewhere())
    assert "too many" in visitor.login(PASSWORD, forwarded=somewhere())


def test_what_a_trusted_proxy_says_is_the_address(visitor: Visitor, settings):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    known = somewhere()
    for _ in range(2):
        visitor.login("wrong", f"{uuid.uuid4().hex}@example.com", f"{somewhere()}, {known}")
    assert "too many" in visitor.login(PASSWORD, forwarded=f"{somewhere()}, {known}")
    assert visitor.login(PASSWORD, forwarded=f"{known}, {somewhere()}") == ""
