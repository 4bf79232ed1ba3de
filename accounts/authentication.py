"""Who sends a request: the bearer of a Supabase access token."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from accounts import signup, tokens
from accounts.models import User

SCHEME = "Bearer"


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer <token>``; another scheme, or none, is an anonymous request."""

    def authenticate(self, request: Request) -> tuple[User, tokens.Claims] | None:
        """The user and what the token says of them."""
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() != SCHEME.lower().encode():
            return None
        claims = tokens.verify(_text(token.strip()))
        return signup.user_of(claims), claims

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return SCHEME


class TokenScheme(OpenApiAuthenticationExtension):
    """Tells the API's description about the token, so that its pages have an Authorize button."""

    target_class = "accounts.authentication.TokenAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """The scheme in OpenAPI."""
        scheme: dict[str, Any] = build_bearer_security_scheme_object(
            header_name="Authorization", token_prefix=SCHEME, bearer_format="JWT"
        )
        return scheme


def _text(token: bytes) -> str:
    try:
        return token.decode("ascii")
    except UnicodeDecodeError as exc:
        raise tokens.InvalidToken from exc
