"""Bad tokens, and none: an address may fail so often, and then nothing is verified for it."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts import authentication, tokens
from accounts.models import User
from auteur.core.api import windows
from tests.accounts.provider import signed

OTHER_SECRET = "another-secret-of-thirty-two-bytes!"


@pytest.fixture(autouse=True)
def three_failures(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UNAUTHENTICATED_RATE_LIMIT = "3/minute"
    monkeypatch.setattr(authentication, "_verified_bearers", authentication._VerifiedBearers(2))


class Visitor:
    """One who comes from an address that nobody has come from."""

    def __init__(self) -> None:
        self.address = uuid.uuid4().hex

    def ask(self, token: str | None, path: str = "/users/me") -> Any:
        client = APIClient()
        if token is not None:
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client.get(path, REMOTE_ADDR=self.address)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signatures were looked at."""
    seen: list[str] = []
    verify = tokens.verify_token

    def counted(token: str) -> tokens.Claims:
        seen.append(token)
        return verify(token)

    monkeypatch.setattr(tokens, "verify_token", counted)
    return seen


@pytest.mark.parametrize("token", [None, "", "nonsense", signed(secret=OTHER_SECRET)])
def test_the_limit_and_one_past_it(db: None, token: str | None, verified: list[str]) -> None:
    visitor = Visitor()
    assert [visitor.ask(token).status_code for _ in range(3)] == [401] * 3
    looked_at = len(verified)
    refused = visitor.ask(token)
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert len(verified) == looked_at
    assert Visitor().ask(token).status_code == 401


def test_good_tokens_fail_nowhere(user: User, verified: list[str]) -> None:
    visitor, token = Visitor(), signed(sub=str(user.pk), email=user.email)
    assert [visitor.ask(token).status_code for _ in range(6)] == [200] * 6


def test_whoever_was_let_in_goes_on_beside_one_who_fails(
    make_user: Callable[..., User], verified: list[str]
) -> None:
    visitor = Visitor()
    ann, bob = (signed(sub=str(item.pk), email=item.email) for item in (make_user(), make_user()))
    assert visitor.ask(ann).status_code == 200
    for _ in range(4):
        visitor.ask("nonsense")
    assert visitor.ask(ann).status_code == 200
    assert visitor.ask(bob).status_code == 429


def test_a_token_that_was_good_is_known_no_more_once_it_has_expired(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, token = Visitor(), signed(sub=str(user.pk), email=user.email)
    assert visitor.ask(token).status_code == 200
    now = time.time()
    monkeypatch.setattr(tokens, "LEEWAY_SECONDS", -(int(now) + 10**6))
    answers = [visitor.ask(token).status_code for _ in range(4)]
    assert answers == [401, 401, 401, 429]


def test_with_redis_away_the_limit_holds_and_one_wait_is_all(
    db: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    windows.script.cache_clear()
    try:
        visitor = Visitor()
        assert [visitor.ask("nonsense").status_code for _ in range(5)] == [401] * 3 + [429] * 2
        assert caplog.text.count("counted by each process") <= 2  # a request, and the thread
    finally:
        windows.script.cache_clear()


def test_a_good_token_is_believed_for_a_while(
    user: User, verified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, token = Visitor(), signed(sub=str(user.pk), email=user.email)
    moment = [0.0]
    monkeypatch.setattr(authentication.time, "monotonic", lambda: moment[0])
    for at, times in ((0.0, 1), (authentication.TRUST_SECONDS - 0.1, 1)):
        moment[0] = at
        assert visitor.ask(token).status_code == 200
        assert len(verified) == times
    moment[0] = authentication.TRUST_SECONDS
    assert visitor.ask(token).status_code == 200
    assert len(verified) == 2


def test_a_token_that_is_believed_opens_no_account_that_was_closed_meanwhile(user: User) -> None:
    visitor, token = Visitor(), signed(sub=str(user.pk), email=user.email)
    assert visitor.ask(token).status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert visitor.ask(token).json()["code"] == "account_inactive"


def test_only_the_latest_good_tokens_are_kept() -> None:
    good = authentication._VerifiedBearers(2)
    for digest in (b"1", b"2", b"1", b"3"):
        good.remember(digest)
    assert [digest in good for digest in (b"1", b"2", b"3")] == [True, False, True]
