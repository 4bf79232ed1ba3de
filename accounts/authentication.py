"""Who sends a request: the bearer of a Supabase access token, or of an API key."""

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
from auteur.api.requests import KeyAuth, client_address
from auteur.api.throttling import Failures

SCHEME = "Bearer"
GOOD_TOKENS = 10_000
"""So many are known to have been good."""
KEPT_SECONDS = 60.0
"""How long a token is believed before its signature is looked at again: so much later a key of the
provider's that was withdrawn stops working. What the token says of its own end holds all the time.
"""

Known = tuple[User, tokens.Claims | KeyAuth]
"""The user, and what they came by."""


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer <token or key>``; another scheme, or none, is an anonymous request.

    An address from which too much failed is refused before anything is verified, but for bearers
    that were good here before: others behind the same address go on. A view with ``is_public``
    needs no token: a request without one is no failure there.
    """

    problems: ClassVar = (*tokens.PROBLEMS, *signup.PROBLEMS)

    def authenticate(self, request: Request) -> Known | None:
        """The user and what they came by; raises ``Throttled`` (429)."""
        scheme, _, bearer = get_authorization_header(request).partition(b" ")
        address = client_address(request)
        if scheme.lower() != SCHEME.lower().encode():
            if not scheme and getattr(request.parser_context["view"], "is_public", False):
                return None
            failures = Failures(address)
            failures.check()
            failures.count()
            return None
        known = _verify(bearer.strip(), address)
        if isinstance(known, tokens.Claims):
            return signup.get_or_create_user(known), known
        return known

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class TokenScheme(OpenApiAuthenticationExtension):
    """Tells the API's description about the bearer, so that its pages have an Authorize button."""

    target_class = "accounts.authentication.TokenAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        scheme: dict[str, Any] = build_bearer_security_scheme_object(
            header_name="Authorization", token_prefix=SCHEME, bearer_format="JWT"
        )
        return scheme


class _Good(NamedTuple):
    """What a token said when it was verified, in ``time.monotonic``; of a key, nothing."""

    claims: tokens.Claims | None
    verified_at: float


class _GoodTokens:
    """The bearers that were good most recently in this process, by their digests."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[bytes, _Good] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._known

    def claims(self, digest: bytes) -> tokens.Claims | None:
        """What the token says, if it was verified a short while ago and has not expired."""
        good = self._known.get(digest)
        if good is None or good.claims is None:
            return None
        if time.monotonic() - good.verified_at >= KEPT_SECONDS:
            return None
        return None if tokens.has_expired(good.claims) else good.claims

    def remember(self, digest: bytes, claims: tokens.Claims | None = None) -> None:
        with self._lock:
            self._known[digest] = _Good(claims, time.monotonic())
            self._known.move_to_end(digest)
            if len(self._known) > self._size:
                self._known.popitem(last=False)

    def forget(self, digest: bytes) -> None:
        with self._lock:
            self._known.pop(digest, None)


_good = _GoodTokens(GOOD_TOKENS)


def _verify(bearer: bytes, address: str) -> tokens.Claims | Known:
    digest = hashlib.sha256(bearer).digest()
    if (claims := _good.claims(digest)) is not None:
        return claims
    failures = Failures(address)
    if digest not in _good:
        failures.check()
    try:
        if keys.is_api_key(bearer):
            known: tokens.Claims | Known = keys.verify_key(digest, address=address)
        else:
            known = tokens.verify_token(_text(bearer))
    except tokens.InvalidTokenProblem:
        _good.forget(digest)
        failures.count()
        raise
    _good.remember(digest, known if isinstance(known, tokens.Claims) else None)
    return known


def _text(bearer: bytes) -> str:
    try:
        return bearer.decode("ascii")
    except UnicodeDecodeError as exc:
        raise tokens.InvalidTokenProblem from exc
