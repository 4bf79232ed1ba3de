"""Selection of the renderer of a response."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

ANY = "*/*"


class Negotiation(DefaultContentNegotiation):
    """Selection by `Accept`, or by `?format=` if the endpoint has several formats.

    An unknown format is ignored. DRF would answer 404 before it authenticates the request.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """Return the renderer that DRF selects.

        Skip DRF's search if the client accepts anything or the endpoint's first format.
        """
        candidates = list(renderers)
        first = candidates[0]
        accepted = request.META.get("HTTP_ACCEPT", ANY)
        if accepted in (ANY, first.media_type) and not (
            format_suffix or request.META.get("QUERY_STRING")
        ):
            return first, first.media_type
        selected: tuple[Any, str] = super().select_renderer(request, candidates, format_suffix)
        return selected

    def filter_renderers(self, renderers: Iterable[Any], format: str) -> list[Any]:
        """Return the renderers of the format if there are any, else all."""
        candidates = list(renderers)
        return [renderer for renderer in candidates if renderer.format == format] or candidates
