"""Verifying Supabase access tokens, and issuing them for development.

A token is only checked with a key of its own algorithm: HS256 with the shared secret, ES256 and
RS256 with a public key of that algorithm from the provider's key set (RFC 8725, 3.1).
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings

from accounts.jwks import KeySet
from auteur.core.api.problems import Problem
from gpu_tasks.runtime.errors import AuteurError

SHARED_SECRET_ALGORITHM = "HS256"  # noqa: S105 (the name of an algorithm)
PUBLIC_KEY_ALGORITHMS = ("ES256", "RS256")
REQUIRED_CLAIMS = ("exp", "iss", "aud", "sub", "role")
ROLE = "authenticated"
"""The role of a signed-in person. Supabase's keys ``anon`` and ``service_role`` have no user."""

LEEWAY_SECONDS = 10
"""How far the provider's clock and ours may differ."""


class InvalidTokenProblem(Problem):
    """The bearer is not accepted. The answer does not say which check it failed."""

    status_code = 401
    default_code = "invalid_token"
    default_detail = "The access token or API key is not valid."
    auth_header = 'Bearer error="invalid_token"'


class TokenExpiredProblem(InvalidTokenProblem):
    """The token has expired. The client refreshes it and sends the request again."""

    default_code = "token_expired"
    default_detail = "The access token has expired. Refresh it and try again."


PROBLEMS = (InvalidTokenProblem, TokenExpiredProblem)
"""The problems with which a bearer can be refused."""


class MissingSecretError(AuteurError):
    """``SUPABASE_JWT_SECRET`` is not set, so no token can be issued."""


@dataclass(frozen=True)
class Claims:
    """The claims of a valid token; ``email`` is not normalized, times are Unix seconds."""

    user_id: UUID
    email: str | None
    issued_at: float
    expires_at: float
    is_anonymous: bool = False
    """True for a guest, a user of Supabase's anonymous sign-in."""


def verify_token(token: str) -> Claims:
    """Check a token's signature and claims, and return the claims.

    Raises ``TokenExpiredProblem`` or ``InvalidTokenProblem`` (401), and ``UnavailableProblem``
    (503) if its key is not cached and the provider does not answer.
    """
    try:
        payload = _decode_token(token, jwt.get_unverified_header(token))
    except jwt.ExpiredSignatureError as exc:
        raise TokenExpiredProblem from exc
    except (jwt.PyJWTError, UnicodeError) as exc:
        raise InvalidTokenProblem from exc
    return _parse_claims(payload)


def has_expired(claims: Claims) -> bool:
    """Return True if the expiry of a verified token has passed."""
    return claims.expires_at <= time.time() - LEEWAY_SECONDS


def issue_token(*, user_id: UUID, email: str, lifetime: timedelta) -> str:
    """Sign a token with the shared secret, as Supabase would; raises ``MissingSecretError``."""
    if not settings.SUPABASE_JWT_SECRET:
        raise MissingSecretError
    now = int(time.time())
    payload = {
        "sub": str(user_id),
        "email": email,
        "aud": settings.SUPABASE_JWT_AUDIENCE,
        "iss": settings.SUPABASE_JWT_ISSUER,
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
        "role": ROLE,
    }
    return jwt.encode(payload, settings.SUPABASE_JWT_SECRET, algorithm=SHARED_SECRET_ALGORITHM)


def _decode_token(token: str, header: dict[str, Any]) -> dict[str, Any]:
    """Return the payload, verified with the key that signed it; during a rotation try several."""
    *earlier_keys, last_key = _list_keys(header)
    for key in earlier_keys:
        with suppress(jwt.InvalidSignatureError):
            return _decode_with_key(key, token, header["alg"])
    return _decode_with_key(last_key, token, header["alg"])


def _decode_with_key(key: str | jwt.PyJWK, token: str, algorithm: str) -> dict[str, Any]:
    return jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        audience=settings.SUPABASE_JWT_AUDIENCE,
        issuer=settings.SUPABASE_JWT_ISSUER,
        leeway=LEEWAY_SECONDS,
        options={"require": list(REQUIRED_CLAIMS)},
    )


def _list_shared_secrets() -> list[str]:
    secrets = (settings.SUPABASE_JWT_SECRET, *settings.SUPABASE_JWT_SECRET_FALLBACKS)
    return [secret for secret in secrets if secret]


def _list_keys(header: dict[str, Any]) -> Sequence[str | jwt.PyJWK]:
    """Return at least one key for a token's header; raises ``InvalidTokenProblem``."""
    algorithm = header.get("alg")
    if algorithm == SHARED_SECRET_ALGORITHM and (secrets := _list_shared_secrets()):
        return secrets
    if algorithm in PUBLIC_KEY_ALGORITHMS and settings.SUPABASE_JWKS_URL and header.get("kid"):
        key = _get_key_set(settings.SUPABASE_JWKS_URL).find_key(header["kid"])
        if key is not None and key.algorithm_name == algorithm:
            return [key]
    raise InvalidTokenProblem


@cache
def _get_key_set(url: str) -> KeySet:
    return KeySet(url)


def _parse_claims(payload: dict[str, Any]) -> Claims:
    if payload["role"] != ROLE:
        raise InvalidTokenProblem
    subject = payload["sub"]
    try:
        user_id = UUID(subject)
    except ValueError as exc:
        raise InvalidTokenProblem from exc
    if str(user_id) != subject.lower():  # UUID() also accepts braces, URNs and missing hyphens.
        raise InvalidTokenProblem
    email = payload.get("email")
    return Claims(
        user_id=user_id,
        email=email if isinstance(email, str) else None,
        issued_at=float(payload.get("iat", time.time())),
        expires_at=float(payload["exp"]),
        is_anonymous=bool(payload.get("is_anonymous")),
    )
