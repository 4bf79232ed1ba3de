"""Cursor pages in the API's list shape: ``{"projects": [...], "next": …, "previous": …}``."""

import datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError
from rest_framework import exceptions, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.api.filters import SORT_KEY
from auteur.api.problems import Problem


class InvalidCursorProblem(Problem):
    """The ``cursor`` was not made by us."""

    default_code = "invalid_cursor"
    default_detail = "This is not a cursor of this list."


class InvalidLimitProblem(Problem):
    """The ``limit`` is no number of rows that a page can have."""

    default_code = "invalid_limit"

    def __init__(self, most: int) -> None:
        detail = f"limit must be between 1 and {most}."
        error = {"field": "limit", "code": self.default_code, "detail": detail}
        super().__init__(detail, errors=[error])


class Cursor(CursorPagination):
    """50 a page, newest first or in the view's ``ordering``; a subclass names its list's key."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering: str | tuple[str, ...] = ("-created_at", "-id")
    key: ClassVar[str] = "results"
    problems: ClassVar = (InvalidCursorProblem, InvalidLimitProblem)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """The page that the cursor names; a made-up cursor raises ``InvalidCursorProblem``."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (exceptions.NotFound, DjangoValidationError, DataError, ValueError) as exc:
            raise InvalidCursorProblem() from exc

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> Any:
        """The view's, if it has one."""
        return getattr(view, "ordering", None) or super().get_ordering(request, queryset, view)

    def get_page_size(self, request: Request) -> int:
        """Rows of the page; another number than it can have raises ``InvalidLimitProblem``."""
        given = request.query_params.get(self.page_size_query_param)
        if given is None:
            return self.page_size
        rows = serializers.IntegerField(min_value=1, max_value=self.max_page_size)
        try:
            return int(rows.run_validation(given))
        except exceptions.ValidationError as exc:
            raise InvalidLimitProblem(self.max_page_size) from exc

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """The cursor, and the limit with its bounds, in OpenAPI."""
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
        """Refuse, before the database sees it, a position that is none of ours."""
        cursor = super().decode_cursor(request)
        if cursor is None:
            return None
        if cursor.position is not None:
            self._check_position(str(cursor.position))
        elif not cursor.offset:
            raise InvalidCursorProblem  # the first page, which we never give a cursor for
        return cursor

    def _check_position(self, position: str) -> None:
        if self.ordering[0].removeprefix("-") != SORT_KEY:  # a text, of which any can be
            datetime.datetime.fromisoformat(position)

    def get_paginated_response(self, data: Any) -> Response:
        """The rows under the list's key, beside the two cursors."""
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


def cursor_pagination(list_key: str, **attributes: Any) -> type[Cursor]:
    """A cursor pagination whose rows stand under ``list_key``."""
    return type(f"{list_key.title()}Cursor", (Cursor,), {"key": list_key, **attributes})
