"""Filters and orders of lists: ``?search=…&sort=-created_at``, and each list's own filters.

A list's filter is a serializer of its query, so a bad value is refused like one in a body.
"""

from typing import Any, ClassVar, TypeVar

from django.db.models import Expression, Model, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from auteur.core.api.choices import ChoiceField
from auteur.core.api.views import ListAPIView

Row = TypeVar("Row", bound=Model)

MAX_SEARCH_LENGTH = 100
SEARCHED_ROWS = 10_000
"""How many of a list's newest rows a search looks through."""
NEWEST_FIRST = "-created_at"
SORT_KEY = "sort_key"


class ListFilter(serializers.Serializer[Any]):
    """The query of a list, newest first unless it asks for another order."""

    LOOKUPS: ClassVar[dict[str, str]] = {}
    """The database lookup of each filter."""
    SORTS: ClassVar[dict[str, str | Expression]] = {"created_at": "created_at"}
    """The column or expression of each sort name. Each sorts in both directions."""
    SEARCHED: ClassVar[str | None] = None
    """The column that a search looks into, or None if the list has no search."""

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        if self.SEARCHED:
            fields["search"] = serializers.CharField(
                required=False,
                max_length=MAX_SEARCH_LENGTH,
                help_text=f"Part of the {self.SEARCHED}, in upper or lower case, among the newest "
                f"{SEARCHED_ROWS:,}.",
            )
        fields["sort"] = ChoiceField(
            choices=[f"{sign}{name}" for name in self.SORTS for sign in ("-", "")],
            default=NEWEST_FIRST,
            help_text="With a minus, the latest or largest first.",
        )
        return fields

    def narrow(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        """Return the rows that match the filters and the search."""
        filters = dict(self.validated_data)
        filters.pop("sort")
        search = filters.pop("search", None)
        rows = rows.filter(**{self.LOOKUPS[name]: value for name, value in filters.items()})
        if search is None:
            return rows
        newest = rows.order_by("-created_at", "-pk").values("pk")[:SEARCHED_ROWS]
        return rows.filter(pk__in=newest, **{f"{self.SEARCHED}__icontains": search})

    def order(self, rows: QuerySet[Row]) -> tuple[QuerySet[Row], tuple[str, str]]:
        """Return the rows in their order, and the names of the columns that a cursor compares."""
        sort = self.validated_data["sort"]
        sign = "-" if sort.startswith("-") else ""
        column = self.SORTS[sort.removeprefix("-")]
        if isinstance(column, str):
            return rows, (f"{sign}{column}", f"{sign}id")
        return rows.annotate(**{SORT_KEY: column}), (f"{sign}{SORT_KEY}", f"{sign}id")


class FilteredListView(ListAPIView[Row]):
    """A list whose rows are narrowed and ordered by ``filter_class``."""

    filter_class: ClassVar[type[ListFilter]]
    ordering: tuple[str, ...] = (NEWEST_FIRST, "-id")

    def rows(self) -> QuerySet[Row]:
        """Return all rows that may be listed."""
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[Row]:
        """Return the rows that the query selects. Raise ``ValidationError`` if it is invalid."""
        request: Request = self.request
        list_filter = self.filter_class(data=request.query_params)
        list_filter.is_valid(raise_exception=True)
        rows, self.ordering = list_filter.order(list_filter.narrow(self.rows()))
        return rows
