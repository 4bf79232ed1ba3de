"""Who sends a request, and how its text is encoded."""

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle


@dataclass(frozen=True)
class KeyAuth:
    """By which of its user's API keys a request comes: its ``auth``."""

    id: UUID
    scopes: frozenset[str]
    expires_at: float | None
    """In Unix seconds; None: not by itself."""
    name: str
    """As its user calls it now."""


def user_id(request: Request) -> UUID:
    """The signed-in user's id; every endpoint but the listed open ones has one."""
    return cast(UUID, request.user.pk)


def api_key_id(request: Request) -> UUID | None:
    """The API key by which a request comes, if it does."""
    return request.auth.id if isinstance(request.auth, KeyAuth) else None


def client_address(request: Request | HttpRequest) -> str:
    """Where a request comes from; behind ``TRUSTED_PROXIES`` proxies, what these say."""
    return str(BaseThrottle().get_ident(cast(Request, request)))


def plan_name(request: Request) -> str | None:
    """The signed-in user's plan, by name: users are of a room above, which has plans."""
    return cast(Any, request.user).plan_at_request


class Utf8Request(WSGIRequest):
    """Addresses and bodies are UTF-8, whatever ``charset`` the content type names.

    Django takes any codec of Python's for it: some fail (`zip`), some are slow (`punycode`).
    """

    def _set_content_type_params(self, meta: dict[str, str]) -> None:
        kind = meta.get("CONTENT_TYPE", "").partition(";")[0]
        super()._set_content_type_params({"CONTENT_TYPE": kind})  # type: ignore[misc]
