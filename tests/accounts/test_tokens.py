"""What makes a token valid, and each way in which one is not."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest

from accounts import tokens
from accounts.tokens import LEEWAY_SECONDS, InvalidTokenProblem, TokenExpiredProblem
from auteur.core.api.problems import UnavailableProblem
from tests.accounts.provider import Provider, claims, signed

USER_ID = uuid.UUID("0b0e7a52-6d6f-4a39-9a0e-1b8e6f5f2f11")


def segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def hs256(header: dict[str, Any], payload: dict[str, Any], secret: bytes) -> str:
    """Signed by hand, for keys that PyJWT itself refuses to sign with."""
    body = f"{segment(header)}.{segment(payload)}"
    return f"{body}.{segment(hmac.digest(secret, body.encode(), hashlib.sha256))}"


def test_a_token_of_the_shared_secret_says_who_it_is() -> None:
    now = int(time.time())
    times = {"iat": now - 5, "exp": now + 60}
    verified = tokens.verify_token(signed(sub=str(USER_ID), email="Ann@Example.com", **times))
    assert verified == tokens.Claims(
        user_id=USER_ID, email="Ann@Example.com", issued_at=now - 5.0, expires_at=now + 60.0
    )


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_token_of_a_published_key_says_who_it_is(provider: Provider, algorithm: str) -> None:
    key_id = provider.add_key(algorithm)
    token = provider.sign(key_id, algorithm, sub=str(USER_ID))
    assert tokens.verify_token(token).user_id == USER_ID


def test_both_kinds_of_token_are_good_while_a_project_moves_from_one_to_the_other(
    provider: Provider,
) -> None:
    key_id = provider.add_key()
    assert tokens.verify_token(provider.sign(key_id, sub=str(USER_ID))).user_id == USER_ID
    assert tokens.verify_token(signed(sub=str(USER_ID))).user_id == USER_ID


def test_an_issued_token_is_valid_until_its_lifetime_ends() -> None:
    token = tokens.issue_token(
        user_id=USER_ID, email="ann@example.com", lifetime=timedelta(hours=1)
    )
    assert tokens.verify_token(token).user_id == USER_ID
    assert tokens.verify_token(token).email == "ann@example.com"
    ended = tokens.issue_token(user_id=USER_ID, email="a@b.c", lifetime=timedelta(minutes=-1))
    with pytest.raises(TokenExpiredProblem):
        tokens.verify_token(ended)


def test_none_can_be_issued_without_the_secret(settings: Any) -> None:
    settings.SUPABASE_JWT_SECRET = ""
    with pytest.raises(tokens.MissingSecretError):
        tokens.issue_token(user_id=USER_ID, email="ann@example.com", lifetime=timedelta(hours=1))


@pytest.mark.parametrize("secret", ["another" * 10, ""], ids=["another", "none any more"])
def test_tokens_of_the_secret_before_are_good_while_it_rotates(settings: Any, secret: str) -> None:
    before, old = settings.SUPABASE_JWT_SECRET, signed(sub=str(USER_ID))
    expired = signed(exp=int(time.time()) - 60)
    settings.SUPABASE_JWT_SECRET, settings.SUPABASE_JWT_SECRET_FALLBACKS = secret, [before]
    assert tokens.verify_token(old).user_id == USER_ID
    with pytest.raises(TokenExpiredProblem):
        tokens.verify_token(expired)
    settings.SUPABASE_JWT_SECRET_FALLBACKS = []
    with pytest.raises(InvalidTokenProblem):
        tokens.verify_token(old)


def test_tokens_are_issued_with_the_first_secret(settings: Any) -> None:
    settings.SUPABASE_JWT_SECRET_FALLBACKS = [settings.SUPABASE_JWT_SECRET]
    settings.SUPABASE_JWT_SECRET = "another" * 10
    token = tokens.issue_token(user_id=USER_ID, email="a@b.c", lifetime=timedelta(hours=1))
    settings.SUPABASE_JWT_SECRET_FALLBACKS = []
    assert tokens.verify_token(token).user_id == USER_ID
    with pytest.raises(InvalidTokenProblem):
        tokens.verify_token(signed(secret="a third" * 10))


def test_the_clocks_may_differ_by_the_leeway_and_no_more() -> None:
    now = int(time.time())
    assert tokens.verify_token(signed(exp=now - LEEWAY_SECONDS + 2))
    with pytest.raises(TokenExpiredProblem) as expired:
        tokens.verify_token(signed(exp=now - LEEWAY_SECONDS))
    assert expired.value.get_codes() == "token_expired"
    for early, too_early in (
        (signed(nbf=now + LEEWAY_SECONDS), signed(nbf=now + LEEWAY_SECONDS + 2)),
        (signed(iat=now + LEEWAY_SECONDS), signed(iat=now + LEEWAY_SECONDS + 2)),
    ):
        assert tokens.verify_token(early)
        with pytest.raises(InvalidTokenProblem):
            tokens.verify_token(too_early)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://elsewhere.example/auth/v1"},
        {"iss": None},
        {"aud": "anon"},
        {"aud": ["anon", "service"]},
        {"aud": None},
        {"role": "service_role"},
        {"role": "anon"},
        {"role": None},
        {"role": ["authenticated"]},
        {"role": "Authenticated"},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": float("inf")},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "ann"},
        {"sub": "0b0e7a526d6f4a399a0e1b8e6f5f2f11"},
        {"sub": "{0b0e7a52-6d6f-4a39-9a0e-1b8e6f5f2f11}"},
        {"sub": "urn:uuid:0b0e7a52-6d6f-4a39-9a0e-1b8e6f5f2f11"},
        {"sub": "0b0e7a52-6d6f-4a39-9a0e-1b8e6f5f2f11\x00"},
        {"sub": "0" * 10_000},
    ],
)
def test_a_wrong_claim_makes_a_token_invalid(wrong: dict[str, Any]) -> None:
    payload = {k: v for k, v in (claims() | wrong).items() if v is not None}
    token = hs256({"alg": "HS256", "typ": "JWT"}, payload, _secret())
    with pytest.raises(InvalidTokenProblem) as refused:
        tokens.verify_token(token)
    assert refused.value.get_codes() == "invalid_token"


def _secret() -> bytes:
    from django.conf import settings

    return str(settings.SUPABASE_JWT_SECRET).encode()


def test_one_audience_among_several_is_enough() -> None:
    assert tokens.verify_token(signed(sub=str(USER_ID), aud=["authenticated", "other"]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: "",
        lambda: "token",
        lambda: "..",
        lambda: "a.b.c",
        lambda: signed() + "x",
        lambda: signed()[:-4],
        lambda: signed(secret="another-secret-of-thirty-two-bytes!"),
        lambda: signed(algorithm="HS384"),
        lambda: f"{segment({'alg': 'none'})}.{segment(claims())}.",
        lambda: f"{segment({'alg': 'None'})}.{segment(claims())}.{segment(b'x')}",
        lambda: f"{segment({})}.{segment(claims())}.",
        lambda: f"{segment([])}.{segment(claims())}.",
        lambda: f"{segment({'alg': ['HS256']})}.{segment(claims())}.",
        lambda: f"{segment(b'{' * 30_000)}.{segment(claims())}.",
        lambda: f"{segment(b'[' * 30_000)}.{segment(claims())}.",
        lambda: hs256({"alg": "HS256", "crit": ["exp"]}, claims(), _secret()),
        lambda: hs256({"alg": "HS256", "kid": 7}, claims(), _secret()),
        lambda: hs256({"alg": "HS256"}, {}, _secret()),
        lambda: hs256({"alg": "HS256"}, claims(), b""),
        lambda: "\ud800.a.b",
    ],
)
def test_a_token_that_is_not_ours_is_invalid(make: Callable[[], str]) -> None:
    with pytest.raises(InvalidTokenProblem) as refused:
        tokens.verify_token(make())
    assert refused.value.get_codes() == "invalid_token"


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_published_key_does_not_serve_as_the_secret(provider: Provider, algorithm: str) -> None:
    key_id = provider.add_key(algorithm)
    pem = provider.public_pem(key_id)
    for secret in (pem, pem.strip(), json.dumps(provider.published[0]).encode()):
        for header in ({"alg": "HS256", "kid": key_id}, {"alg": "HS256"}):
            with pytest.raises(InvalidTokenProblem):
                tokens.verify_token(hs256(header, claims(), secret))


def test_a_symmetric_key_among_the_published_ones_is_not_used(provider: Provider) -> None:
    provider.add_key()
    leaked = b"a symmetric key of thirty-two b."
    provider.published.append(
        {"kty": "oct", "kid": "oct", "alg": "HS256", "k": segment(leaked), "use": "sig"}
    )
    for header in ({"alg": "HS256", "kid": "oct"}, {"alg": "ES256", "kid": "oct"}):
        with pytest.raises(InvalidTokenProblem):
            tokens.verify_token(hs256(header, claims(), leaked))


def test_a_key_serves_its_own_algorithm_alone(provider: Provider) -> None:
    es256, rs256 = provider.add_key("ES256"), provider.add_key("RS256")
    for key_id, signer, algorithm in ((es256, rs256, "RS256"), (rs256, es256, "ES256")):
        token = jwt.encode(
            claims(), provider.keys[signer], algorithm=algorithm, headers={"kid": key_id}
        )
        with pytest.raises(InvalidTokenProblem):
            tokens.verify_token(token)
    with pytest.raises(InvalidTokenProblem):
        tokens.verify_token(
            jwt.encode(claims(), provider.keys[rs256], algorithm="PS256", headers={"kid": rs256})
        )


def test_a_token_of_an_unpublished_key_is_invalid(provider: Provider) -> None:
    published = provider.add_key()
    unpublished = provider.add_key()
    provider.withdraw(unpublished)
    forged = jwt.encode(
        claims(), provider.keys[unpublished], algorithm="ES256", headers={"kid": published}
    )
    nameless = jwt.encode(claims(), provider.keys[published], algorithm="ES256")
    for token in (provider.sign(unpublished), forged, nameless):
        with pytest.raises(InvalidTokenProblem):
            tokens.verify_token(token)


def test_without_the_secret_its_tokens_are_invalid(provider: Provider, settings: Any) -> None:
    good = signed()
    settings.SUPABASE_JWT_SECRET = ""
    for token in (good, hs256({"alg": "HS256"}, claims(), b"")):
        with pytest.raises(InvalidTokenProblem):
            tokens.verify_token(token)


def test_without_a_key_set_its_tokens_are_invalid(provider: Provider, settings: Any) -> None:
    token = provider.sign(provider.add_key())
    settings.SUPABASE_JWKS_URL = ""
    with pytest.raises(InvalidTokenProblem):
        tokens.verify_token(token)


def test_with_the_provider_away_known_keys_and_the_secret_still_work(provider: Provider) -> None:
    key = provider.add_key()
    assert tokens.verify_token(provider.sign(key))
    provider.go_away()
    assert tokens.verify_token(provider.sign(key))
    assert tokens.verify_token(signed())


def test_with_the_provider_away_from_the_start_its_tokens_cannot_be_checked(
    provider: Provider,
) -> None:
    token = provider.sign(provider.add_key())
    provider.go_away()
    with pytest.raises(UnavailableProblem):
        tokens.verify_token(token)
