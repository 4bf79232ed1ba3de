"""What browsers are told with each answer, and what only the pages of staff need."""

from collections.abc import Callable
from functools import reduce
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.module_loading import import_string

PAGES = "/admin"
"""Under which staff have their pages."""

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class ContentSecurityPolicy:
    """Sends ``settings.CONTENT_SECURITY_POLICY`` where a view has none of its own."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with a policy."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
        return response


class ForStaff:
    """``settings.STAFF_MIDDLEWARE``, for requests of staff's pages alone."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._checks: list[Callable[..., Any]] = []
        self._around = reduce(self._wrapped, reversed(settings.STAFF_MIDDLEWARE), get_response)

    def _wrapped(self, get_response: GetResponse, path: str) -> GetResponse:
        middleware: GetResponse = import_string(path)(get_response)
        if (check := getattr(middleware, "process_view", None)) is not None:
            self._checks.insert(0, check)
        return middleware

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with all of it around or with none."""
        around = self._around if is_page(request) else self.get_response
        return around(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        """What these look at when it is known which view answers: CSRF."""
        if not is_page(request):
            return None
        answers = (check(request, view, args, kwargs) for check in self._checks)
        return next((answer for answer in answers if answer is not None), None)


def is_page(request: HttpRequest) -> bool:
    """Whether it is staff that ask, for a page."""
    return request.path_info.startswith(PAGES)
