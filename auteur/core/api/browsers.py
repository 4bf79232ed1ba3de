"""Middleware for browsers: the Content Security Policy, and what only the staff's pages need."""

from collections.abc import Callable
from functools import reduce
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.module_loading import import_string

PAGES = "/admin"
"""The path prefix of the staff's pages."""

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class ContentSecurityPolicy:
    """A middleware that sends ``settings.CONTENT_SECURITY_POLICY``.

    A policy that the view sets takes precedence.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response with a policy."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
        return response


class ForStaff:
    """A middleware that applies ``settings.STAFF_MIDDLEWARE`` to the staff's pages only."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._checks: list[Callable[..., Any]] = []
        self._get_staff_response = reduce(
            self._add_middleware, reversed(settings.STAFF_MIDDLEWARE), get_response
        )

    def _add_middleware(self, get_response: GetResponse, path: str) -> GetResponse:
        middleware: GetResponse = import_string(path)(get_response)
        if (check := getattr(middleware, "process_view", None)) is not None:
            self._checks.insert(0, check)
        return middleware

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response, with all of the staff's middleware or with none of it."""
        get_response = self._get_staff_response if is_page(request) else self.get_response
        return get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        """Run the staff middleware's checks that need the view, such as CSRF."""
        if not is_page(request):
            return None
        responses = (check(request, view, args, kwargs) for check in self._checks)
        return next((response for response in responses if response is not None), None)


def is_page(request: HttpRequest) -> bool:
    """Return True if the request is for one of the staff's pages."""
    return request.path_info.startswith(PAGES)
