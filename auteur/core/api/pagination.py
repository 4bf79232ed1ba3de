"""Cursor pages in the API's list shape: ``{"projects": [...], "next": …, "previous": …}``."""

import datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError
from rest_framework import exceptions, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.filters import SORT_KEY
from auteur.core.api.problems import Problem


class InvalidCursorProblem(Problem):
    """The ``cursor`` is not one that this list has returned."""

    default_code = "invalid_cursor"
    default_detail = "This is not a cursor of this list. Use next or previous of an earlier page."


class InvalidLimitProblem(Problem):
    """The ``limit`` is not a number of rows that a page can have."""

    default_code = "invalid_limit"

    def __init__(self, maximum: int) -> None:
        detail = f"limit must be between 1 and {maximum}."
        error = {"field": "limit", "code": self.default_code, "detail": detail}
        super().__init__(detail, errors=[error])


class Cursor(CursorPagination):
    """A pagination with 50 rows a page, ordered by the view's ``ordering`` or newest first.

    A subclass sets ``key``, the name of its list.
    """

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering: str | tuple[str, ...] = ("-created_at", "-id")
    key: ClassVar[str] = "results"
    problems: ClassVar = (InvalidCursorProblem, InvalidLimitProblem)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """Return the page of the cursor. Raise ``InvalidCursorProblem`` for a forged cursor."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (exceptions.NotFound, DjangoValidationError, DataError, ValueError) as exc:
            raise InvalidCursorProblem() from exc

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> Any:
        """Return the view's ordering, or ours if it has none."""
        return getattr(view, "ordering", None) or super().get_ordering(request, queryset, view)

    def get_page_size(self, request: Request) -> int:
        """Return the rows per page. Raise ``InvalidLimitProblem`` if ``limit`` is not allowed."""
        limit = request.query_params.get(self.page_size_query_param)
        if limit is None:
            return self.page_size
        limit_field = serializers.IntegerField(min_value=1, max_value=self.max_page_size)
        try:
            return int(limit_field.run_validation(limit))
        except exceptions.ValidationError as exc:
            raise InvalidLimitProblem(self.max_page_size) from exc

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Return the OpenAPI parameters: the cursor, and the limit with its bounds."""
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            if parameter["name"] == self.page_size_query_param:
                parameter["schema"] |= {
                    "minimum": 1,
                    "maximum": self.max_page_size,
                    "default": self.page_size,
                }
        return parameters

    def decode_cursor(self, request: Request) -> Any:
        """Raise ``InvalidCursorProblem`` for positions that we never issue, before any query."""
        cursor = super().decode_cursor(request)
        if cursor is None:
            return None
        if cursor.position is not None:
            self._check_position(str(cursor.position))
        elif not cursor.offset:
            raise InvalidCursorProblem  # We issue no cursor for the first page.
        return cursor

    def _check_position(self, position: str) -> None:
        if self.ordering[0].removeprefix("-") != SORT_KEY:  # A sort key can be any text.
            datetime.datetime.fromisoformat(position)

    def get_paginated_response(self, data: Any) -> Response:
        """Return the rows under the list's key, with the cursors of the adjacent pages."""
        return Response(
            {self.key: data, "next": self.get_next_link(), "previous": self.get_previous_link()}
        )

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": [self.key, "next", "previous"],
            "properties": {self.key: schema, "next": link, "previous": link},
        }


def build_cursor_pagination(list_key: str, **attributes: Any) -> type[Cursor]:
    """Create a cursor pagination whose rows stand under ``list_key``."""
    return type(f"{list_key.title()}Cursor", (Cursor,), {"key": list_key, **attributes})
