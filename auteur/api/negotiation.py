"""Which form an answer takes."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

ANY = "*/*"


class Negotiation(DefaultContentNegotiation):
    """By `Accept`, or by `?format=` where an endpoint has several; a format of none is ignored.

    DRF answers 404 to such a one, before it asks who is there.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """What DRF finds; at once for those who take all, or name the endpoint's first."""
        first, *_ = every = list(renderers)
        accepted = request.META.get("HTTP_ACCEPT", ANY)
        if accepted in (ANY, first.media_type) and not (
            format_suffix or request.META.get("QUERY_STRING")
        ):
            return first, first.media_type
        found: tuple[Any, str] = super().select_renderer(request, every, format_suffix)
        return found

    def filter_renderers(self, renderers: Iterable[Any], format: str) -> list[Any]:
        """Those of the format, if there are any, else all."""
        every = list(renderers)
        return [each for each in every if each.format == format] or every
