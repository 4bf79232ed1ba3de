"""Which form an answer takes."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation


class Negotiation(DefaultContentNegotiation):
    """By `Accept`, or by `?format=` where an endpoint has several; a format of none is ignored.

    DRF answers 404 to such a one, before it asks who is there.
    """

    def filter_renderers(self, renderers: Iterable[Any], format: str) -> list[Any]:
        """Those of the format, if there are any, else all."""
        every = list(renderers)
        return [each for each in every if each.format == format] or every
