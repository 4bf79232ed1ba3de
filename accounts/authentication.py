"""Authentication of requests by a Supabase access token or an API key."""

import hashlib
import threading
import time
from collections import OrderedDict
from typing import Any, ClassVar, NamedTuple

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from accounts import signup, tokens
from accounts.api_keys import keys
from accounts.models import User
from auteur.core.api.requests import KeyAuth, client_address
from auteur.core.api.throttling import Failures

SCHEME = "Bearer"
MAX_VERIFIED_BEARERS = 10_000
"""The most recently verified bearers that are remembered."""
TRUST_SECONDS = 60.0
"""How long a verified token is trusted before its signature is checked again.

A key that the provider has withdrawn works for so much longer. The token's own expiry is always
checked.
"""

Identity = tuple[User, tokens.Claims | KeyAuth]
"""A user, with the claims of their token or the permissions of their key."""


class TokenAuthentication(BaseAuthentication):
    """The authentication by ``Authorization: Bearer <token or key>``.

    Another scheme, or none, is an anonymous request. An address with too many failures is refused
    before anything is verified, except for bearers that this process has verified before, so that
    other users behind the same address are not affected. A view with ``is_public`` needs no token:
    there, a request without one does not count as a failure.
    """

    problems: ClassVar = (*tokens.PROBLEMS, *signup.PROBLEMS)

    def authenticate(self, request: Request) -> Identity | None:
        """Return the user with their claims or key, or None; raises ``Throttled`` (429)."""
        scheme, _, bearer = get_authorization_header(request).partition(b" ")
        address = client_address(request)
        if scheme.lower() != SCHEME.lower().encode():
            if not scheme and getattr(request.parser_context["view"], "is_public", False):
                return None
            failures = Failures(address)
            failures.check()
            failures.count()
            return None
        verified = _verify_bearer(bearer.strip(), address)
        if isinstance(verified, tokens.Claims):
            return signup.get_or_create_user(verified), verified
        return verified

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class TokenScheme(OpenApiAuthenticationExtension):
    """The security scheme of the API schema, which gives the docs pages an Authorize button."""

    target_class = "accounts.authentication.TokenAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        scheme: dict[str, Any] = build_bearer_security_scheme_object(
            header_name="Authorization", token_prefix=SCHEME, bearer_format="JWT"
        )
        return scheme


class _VerifiedBearer(NamedTuple):
    """A verified bearer: a token's claims (None for a key) and when, in ``time.monotonic``."""

    claims: tokens.Claims | None
    verified_at: float


class _VerifiedBearers:
    """A cache of the bearers that this process has verified most recently, by their digests."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[bytes, _VerifiedBearer] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._entries

    def claims(self, digest: bytes) -> tokens.Claims | None:
        """Return a token's claims, if it was verified recently and has not expired, or None."""
        entry = self._entries.get(digest)
        if entry is None or entry.claims is None:
            return None
        if time.monotonic() - entry.verified_at >= TRUST_SECONDS:
            return None
        return None if tokens.has_expired(entry.claims) else entry.claims

    def remember(self, digest: bytes, claims: tokens.Claims | None = None) -> None:
        with self._lock:
            self._entries[digest] = _VerifiedBearer(claims, time.monotonic())
            self._entries.move_to_end(digest)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def forget(self, digest: bytes) -> None:
        with self._lock:
            self._entries.pop(digest, None)


_verified_bearers = _VerifiedBearers(MAX_VERIFIED_BEARERS)


def _verify_bearer(bearer: bytes, address: str) -> tokens.Claims | Identity:
    digest = hashlib.sha256(bearer).digest()
    if (claims := _verified_bearers.claims(digest)) is not None:
        return claims
    failures = Failures(address)
    if digest not in _verified_bearers:
        failures.check()
    try:
        if keys.is_api_key(bearer):
            verified: tokens.Claims | Identity = keys.verify_key(digest, address=address)
        else:
            verified = tokens.verify_token(_decode_ascii(bearer))
    except tokens.InvalidTokenProblem:
        _verified_bearers.forget(digest)
        failures.count()
        raise
    _verified_bearers.remember(digest, verified if isinstance(verified, tokens.Claims) else None)
    return verified


def _decode_ascii(bearer: bytes) -> str:
    try:
        return bearer.decode("ascii")
    except UnicodeDecodeError as exc:
        raise tokens.InvalidTokenProblem from exc
