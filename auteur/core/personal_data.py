"""A registry of the personal data of each package: its tables, its export and its erasure.

The packages register when Django is ready. Closing an account (docs/decisions/0039) and exporting
it call all of them, in the order of ``INSTALLED_APPS``. docs/privacy.md describes the same for
people.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import BinaryField, Model, QuerySet

from gpu_tasks.runtime.errors import AuteurError

BATCH_ROWS = 500
"""Rows that are read, blanked or deleted together."""

Row = TypeVar("Row", bound=Model)
Steps = Iterable[object]
"""Work in bounded steps. The caller renews a lease after each."""


class NotYetError(AuteurError):
    """Some of the user's work is still running and will end soon. Try again."""


@dataclass(frozen=True)
class Listing:
    """One file of an export, ``<name>.jsonl``, with a JSON object in each line."""

    name: str
    rows: Callable[[UUID], Iterable[Mapping[str, Any]]]


@dataclass(frozen=True)
class StoredFile:
    """A stored object that an export may include. ``path`` is its path in the archive."""

    path: str
    key: str
    size_bytes: int


def _return_nothing(user_id: UUID) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class PersonalDataSource:
    """The personal data of one package.

    ``close`` ends a user's running work: when they close their account, and again before ``erase``,
    which erases all data of the person. Both are repeated from the start after a crash.
    """

    app: str
    owners: Mapping[str, str | None]
    """The lookup that leads to the user's id, for each table of the package by its model's label.
    None if there is no such lookup."""
    erase: Callable[[UUID], Steps]
    close: Callable[[UUID], Steps] = _return_nothing
    listings: tuple[Listing, ...] = ()
    files: Callable[[UUID], Iterable[StoredFile]] = _return_nothing


_sources: list[PersonalDataSource] = []


def register_source(source: PersonalDataSource) -> None:
    """Register a package's source. Ignore a second registration."""
    if all(registered.app != source.app for registered in _sources):
        _sources.append(source)


def list_sources() -> tuple[PersonalDataSource, ...]:
    """Return the sources of all packages."""
    return tuple(_sources)


def iterate_pages(rows: QuerySet[Row], size: int = BATCH_ROWS) -> Iterator[list[Row]]:
    """Yield the rows in pages, ordered by key, without an open cursor."""
    rows = rows.order_by("pk")
    page = list(rows[:size])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1].pk)[:size])


def list_rows(rows: QuerySet[Any], *, without: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield all columns of these rows but those in ``without``, and binary ones (secrets)."""
    excluded = set(without)
    names = [
        field.attname
        for field in rows.model._meta.concrete_fields
        if not isinstance(field, BinaryField) and field.attname not in excluded
    ]
    for page in iterate_pages(rows):
        for row in page:
            yield {name: getattr(row, name) for name in names}


def delete_in_batches(rows: QuerySet[Any]) -> Iterator[int]:
    """Delete these rows in batches. Yield the number deleted of each."""
    while ids := list(rows.order_by().values_list("pk", flat=True)[:BATCH_ROWS]):
        yield rows.model._base_manager.filter(pk__in=ids).delete()[0]
