"""Cursor pages in the API's list shape: ``{"projects": [...], "next": …, "previous": …}``."""

import datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError
from rest_framework import exceptions
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.api.problems import Problem


class InvalidCursor(Problem):
    """The ``cursor`` was not made by us."""

    default_code = "invalid_cursor"
    default_detail = "The cursor is not one that this list has given out."


class Cursor(CursorPagination):
    """Newest first, 50 a page; a subclass names the key that its list stands under."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering: str | tuple[str, ...] = ("-created_at", "-id")
    key: ClassVar[str] = "results"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """The page that the cursor names; a made-up cursor raises ``InvalidCursor``."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (exceptions.NotFound, DjangoValidationError, DataError, ValueError) as exc:
            raise InvalidCursor() from exc

    def decode_cursor(self, request: Request) -> Any:
        """Refuse, before the database sees it, a position that is none of ours."""
        cursor = super().decode_cursor(request)
        if cursor is None:
            return None
        if cursor.position is not None:
            self._check_position(str(cursor.position))
        elif not cursor.offset:
            raise InvalidCursor  # the first page, which we never give a cursor for
        return cursor

    def _check_position(self, position: str) -> None:
        datetime.datetime.fromisoformat(position)

    def get_paginated_response(self, data: Any) -> Response:
        """The rows under the list's key, beside the two cursors."""
        return Response(
            {self.key: data, "next": self.get_next_link(), "previous": self.get_previous_link()}
        )

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        """The same in OpenAPI."""
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": [self.key, "next", "previous"],
            "properties": {self.key: schema, "next": link, "previous": link},
        }


def cursor(list_key: str, **attributes: Any) -> type[Cursor]:
    """A cursor pagination whose rows stand under ``list_key``."""
    return type(f"{list_key.title()}Cursor", (Cursor,), {"key": list_key, **attributes})
