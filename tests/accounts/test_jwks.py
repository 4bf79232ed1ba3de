"""The provider's keys: how often they are asked for, and what happens while it is away."""

import threading

import pytest

from accounts import jwks
from accounts.jwks import KeySet
from auteur.core.api.problems import UnavailableProblem
from tests.accounts.provider import Provider
from tests.waiting import until


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def key_set(provider: Provider, clock: Clock) -> KeySet:
    return KeySet(provider.url, clock=clock)


def test_keys_are_fetched_once(provider: Provider, key_set: KeySet) -> None:
    first, second = provider.add_key(), provider.add_key("RS256")
    for _ in range(3):
        assert key_set.find_key(first) is not None
        assert key_set.find_key(second) is not None
    assert provider.fetches == 1


def test_made_up_ids_ask_the_provider_once_per_cooldown(
    provider: Provider, key_set: KeySet, clock: Clock
) -> None:
    provider.add_key()
    for number in range(20):
        assert key_set.find_key(f"made-up-{number}") is None
    assert provider.fetches == 1
    clock.now += jwks.REFETCH_COOLDOWN_SECONDS - 0.1
    assert key_set.find_key("made-up") is None
    assert provider.fetches == 1
    clock.now += 0.1
    assert key_set.find_key("made-up") is None
    assert provider.fetches == 2


def test_a_rotated_key_is_found_after_the_cooldown(
    provider: Provider, key_set: KeySet, clock: Clock
) -> None:
    old = provider.add_key()
    assert key_set.find_key(old) is not None
    new = provider.add_key()
    assert key_set.find_key(new) is None
    clock.now += jwks.REFETCH_COOLDOWN_SECONDS
    assert key_set.find_key(new) is not None
    assert key_set.find_key(old) is not None


def test_a_withdrawn_key_stops_working_once_the_set_is_no_longer_fresh(
    provider: Provider, key_set: KeySet, clock: Clock
) -> None:
    kept, withdrawn = provider.add_key(), provider.add_key()
    assert key_set.find_key(withdrawn) is not None
    provider.withdraw(withdrawn)
    clock.now += jwks.FRESH_SECONDS
    assert key_set.find_key(withdrawn) is not None
    clock.now += 1
    assert key_set.find_key(withdrawn) is None
    assert key_set.find_key(kept) is not None
    assert provider.fetches == 2


def test_known_keys_are_kept_while_the_provider_is_away_but_not_for_ever(
    provider: Provider, key_set: KeySet, clock: Clock
) -> None:
    key = provider.add_key()
    assert key_set.find_key(key) is not None
    provider.go_away()
    clock.now += jwks.STALE_SECONDS
    assert key_set.find_key(key) is not None
    clock.now += 1
    with pytest.raises(UnavailableProblem):
        key_set.find_key(key)


def test_unknown_keys_are_unavailable_while_the_provider_is_away(
    provider: Provider, key_set: KeySet, clock: Clock
) -> None:
    key = provider.add_key()
    assert key_set.find_key(key) is not None
    provider.body = b"<html>Bad gateway</html>"
    clock.now += jwks.REFETCH_COOLDOWN_SECONDS
    for _ in range(3):
        with pytest.raises(UnavailableProblem):
            key_set.find_key("unknown")
    assert provider.fetches == 2
    assert key_set.find_key(key) is not None

    provider.body = None
    new = provider.add_key()
    clock.now += jwks.REFETCH_COOLDOWN_SECONDS
    assert key_set.find_key(new) is not None


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"keys": 1}', b'{"keys": [{"kty": "XX", "kid": "a"}]}', b"\xff"],
)
def test_an_answer_that_is_no_key_set_is_an_outage(
    provider: Provider, key_set: KeySet, body: bytes
) -> None:
    provider.body = body or b" "
    with pytest.raises(UnavailableProblem):
        key_set.find_key("any")


def test_an_empty_key_set_has_no_key_and_is_no_outage(provider: Provider, key_set: KeySet) -> None:
    assert key_set.find_key("any") is None
    assert provider.fetches == 1


def test_only_signing_keys_with_an_id_count(provider: Provider, key_set: KeySet) -> None:
    provider.add_key()
    encryption = provider.add_key(use="enc")
    assert key_set.find_key(encryption) is None
    unmarked = provider.add_key(use=None, alg=None)
    fresh = KeySet(provider.url)
    assert fresh.find_key(unmarked) is not None


def test_a_slow_provider_holds_up_unknown_keys_alone(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 60)  # nobody gives up in between
    key_set = KeySet(provider.url, clock=clock)
    key = provider.add_key()
    assert key_set.find_key(key) is not None
    clock.now += jwks.REFETCH_COOLDOWN_SECONDS
    provider.answers.clear()
    waiting = [threading.Thread(target=key_set.find_key, args=(f"made-up-{n}",)) for n in range(3)]
    for thread in waiting:
        thread.start()
    until(lambda: provider.fetches == 2)
    assert key_set.find_key(key) is not None  # comes back, although nobody is answered
    assert any(thread.is_alive() for thread in waiting)
    provider.answers.set()
    for thread in waiting:
        thread.join()
    assert provider.fetches == 2


def test_a_silent_provider_is_given_up(
    provider: Provider, key_set: KeySet, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.1)
    provider.answers.clear()
    with pytest.raises(UnavailableProblem):
        KeySet(provider.url, clock=clock).find_key("any")
