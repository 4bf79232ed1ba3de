"""Who sends a request: the bearer of a Supabase access token."""

import hashlib
import threading
from collections import OrderedDict
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from accounts import signup, tokens
from accounts.models import User
from auteur.api.requests import address_of
from auteur.api.throttling import Failures

SCHEME = "Bearer"
GOOD_TOKENS = 10_000
"""So many are known to have been good; they are verified all the same."""


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer <token>``; another scheme, or none, is an anonymous request.

    An address from which too much failed is refused before anything is verified, but for tokens
    that were good here before: others behind the same address go on.
    """

    def authenticate(self, request: Request) -> tuple[User, tokens.Claims] | None:
        """The user and what the token says of them; raises ``Throttled`` (429)."""
        scheme, _, token = get_authorization_header(request).partition(b" ")
        failures = Failures(address_of(request))
        if scheme.lower() != SCHEME.lower().encode():
            failures.check()
            failures.count()
            return None
        claims = _verify(token.strip(), failures)
        return signup.user_of(claims), claims

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class TokenScheme(OpenApiAuthenticationExtension):
    """Tells the API's description about the token, so that its pages have an Authorize button."""

    target_class = "accounts.authentication.TokenAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        scheme: dict[str, Any] = build_bearer_security_scheme_object(
            header_name="Authorization", token_prefix=SCHEME, bearer_format="JWT"
        )
        return scheme


class _GoodTokens:
    """Digests of the tokens that were good most recently in this process."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._digests: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._digests

    def remember(self, digest: bytes) -> None:
        with self._lock:
            self._digests[digest] = None
            self._digests.move_to_end(digest)
            if len(self._digests) > self._size:
                self._digests.popitem(last=False)

    def forget(self, digest: bytes) -> None:
        with self._lock:
            self._digests.pop(digest, None)


_good = _GoodTokens(GOOD_TOKENS)


def _verify(token: bytes, failures: Failures) -> tokens.Claims:
    digest = hashlib.sha256(token).digest()
    if digest not in _good:
        failures.check()
    try:
        claims = tokens.verify(_text(token))
    except tokens.InvalidTokenProblem:
        _good.forget(digest)
        failures.count()
        raise
    _good.remember(digest)
    return claims


def _text(token: bytes) -> str:
    try:
        return token.decode("ascii")
    except UnicodeDecodeError as exc:
        raise tokens.InvalidTokenProblem from exc
