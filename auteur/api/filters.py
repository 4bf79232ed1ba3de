"""What lists can be narrowed and ordered by: ``?search=…&sort=-created_at``, and their own filters.

A list's filter is a serializer of its query, so that a bad value is refused as one in a body is.
"""

from typing import Any, ClassVar, TypeVar

from django.db.models import Expression, Model, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from auteur.api.choices import ChoiceField
from auteur.api.views import ListAPIView

Row = TypeVar("Row", bound=Model)

MAX_SEARCH_LENGTH = 100
SEARCHED_ROWS = 10_000
"""The newest rows of a list, which a search looks through."""
NEWEST_FIRST = "-created_at"
SORT_KEY = "sort_key"


class ListFilter(serializers.Serializer[Any]):
    """The query of a list, newest first unless it asks for another order."""

    LOOKUPS: ClassVar[dict[str, str]] = {}
    """What each filter's value is compared with."""
    SORTS: ClassVar[dict[str, str | Expression]] = {"created_at": "created_at"}
    """What rows are ordered by, either way."""
    SEARCHED: ClassVar[str | None] = None
    """The column that a search looks into; without one there is no search."""

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
            choices=[f"{way}{name}" for name in self.SORTS for way in ("-", "")],
            default=NEWEST_FIRST,
            help_text="With a minus, the latest or largest first.",
        )
        return fields

    def narrow(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        """Those that are asked for."""
        given = dict(self.validated_data)
        given.pop("sort")
        search = given.pop("search", None)
        rows = rows.filter(**{self.LOOKUPS[name]: value for name, value in given.items()})
        if search is None:
            return rows
        newest = rows.order_by("-created_at", "-pk").values("pk")[:SEARCHED_ROWS]
        return rows.filter(pk__in=newest, **{f"{self.SEARCHED}__icontains": search})

    def order(self, rows: QuerySet[Row]) -> tuple[QuerySet[Row], tuple[str, str]]:
        """The rows with what they are ordered by, and its names, for a cursor to go by."""
        sort = self.validated_data["sort"]
        way = "-" if sort.startswith("-") else ""
        by = self.SORTS[sort.removeprefix("-")]
        if isinstance(by, str):
            return rows, (f"{way}{by}", f"{way}id")
        return rows.annotate(**{SORT_KEY: by}), (f"{way}{SORT_KEY}", f"{way}id")


class FilteredListView(ListAPIView[Row]):
    """A list whose rows are narrowed and ordered by ``filter_class``."""

    filter_class: ClassVar[type[ListFilter]]
    ordering: tuple[str, ...] = (NEWEST_FIRST, "-id")

    def rows(self) -> QuerySet[Row]:
        """All that may be listed."""
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[Row]:
        """Those that the query asks for; raises ``ValidationError``."""
        request: Request = self.request
        wanted = self.filter_class(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        rows, self.ordering = wanted.order(wanted.narrow(self.rows()))
        return rows
