"""The sender of a request, and the encoding of its text."""

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle


@dataclass(frozen=True)
class KeyAuth:
    """The API key of a request, which is its ``auth``."""

    id: UUID
    scopes: frozenset[str]
    expires_at: float | None
    """In Unix seconds; None if the key does not expire."""
    name: str
    """The key's current name."""


def user_id(request: Request) -> UUID:
    """Return the id of the signed-in user. Call it only for endpoints that require a user."""
    return cast(UUID, request.user.pk)


def api_key_id(request: Request) -> UUID | None:
    """Return the id of the API key of a request, or None if a person sent it."""
    return request.auth.id if isinstance(request.auth, KeyAuth) else None


def client_address(request: Request | HttpRequest) -> str:
    """Return the client's IP address. Behind ``TRUSTED_PROXIES`` proxies, they report it."""
    return str(BaseThrottle().get_ident(cast(Request, request)))


def plan_name(request: Request) -> str | None:
    """Return the name of the signed-in user's plan.

    The package of users and plans is a layer above this one, so their types are not known here.
    """
    return cast(Any, request.user).plan_at_request


class Utf8Request(WSGIRequest):
    """A request whose address and body are UTF-8, whatever ``charset`` the content type names.

    Django accepts any Python codec for it. Some fail (`zip`), some are slow (`punycode`).
    """

    def _set_content_type_params(self, meta: dict[str, str]) -> None:
        kind = meta.get("CONTENT_TYPE", "").partition(";")[0]
        super()._set_content_type_params({"CONTENT_TYPE": kind})  # type: ignore[misc]
