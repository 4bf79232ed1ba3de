"""What each room holds of a person: in which tables, what they are given of it, and how it goes.

The rooms register when Django is ready. Closing an account (docs/decisions/0039) and exporting it
ask all of them, in the order of ``INSTALLED_APPS``; docs/privacy.md is the same for people.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import BinaryField, Model, QuerySet

from gpu_tasks.runtime.errors import AuteurError

AT_ONCE = 500
"""Rows that are read, emptied or removed together."""

Row = TypeVar("Row", bound=Model)
Steps = Iterable[object]
"""Work in bounded steps: whoever goes through them renews a lease after each."""


class NotYetError(AuteurError):
    """Something of theirs is still under way, and will be over soon: try again."""


@dataclass(frozen=True)
class Listing:
    """One file of an export, ``<name>.jsonl``: an object of JSON in each line."""

    name: str
    rows: Callable[[UUID], Iterable[Mapping[str, Any]]]


@dataclass(frozen=True)
class StoredFile:
    """An object that an export holds if it is wanted; ``path`` is its place there."""

    path: str
    key: str
    size_bytes: int


def _nothing(user_id: UUID) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class PersonalDataSource:
    """What one room holds.

    ``close`` ends what a user has going, when they ask for the end of their account, and again
    before ``scrub``, which leaves nothing of the person. Both are done again after a crash, from
    the start.
    """

    room: str
    owners: Mapping[str, str | None]
    """Each table of the room by its model's label, with the look-up that leads to its user's id;
    None where there is no such way."""
    scrub: Callable[[UUID], Steps]
    close: Callable[[UUID], Steps] = _nothing
    listings: tuple[Listing, ...] = ()
    files: Callable[[UUID], Iterable[StoredFile]] = _nothing


_holdings: list[PersonalDataSource] = []


def register_source(holding: PersonalDataSource) -> None:
    """Have the room asked; twice counts once."""
    if all(known.room != holding.room for known in _holdings):
        _holdings.append(holding)


def list_sources() -> tuple[PersonalDataSource, ...]:
    """Those of all rooms."""
    return tuple(_holdings)


def iterate_pages(rows: QuerySet[Row], size: int = AT_ONCE) -> Iterator[list[Row]]:
    """All of them in the order of their keys, some at a time; no cursor is held meanwhile."""
    rows = rows.order_by("pk")
    page = list(rows[:size])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1].pk)[:size])


def list_rows(rows: QuerySet[Any], *, without: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    """All columns of these rows but the ones named, and binary ones: these are secrets."""
    left_out = set(without)
    names = [
        field.attname
        for field in rows.model._meta.concrete_fields
        if not isinstance(field, BinaryField) and field.attname not in left_out
    ]
    for page in iterate_pages(rows):
        for row in page:
            yield {name: getattr(row, name) for name in names}


def delete_in_batches(rows: QuerySet[Any]) -> Iterator[int]:
    """Delete these rows, some in each step."""
    while found := list(rows.order_by().values_list("pk", flat=True)[:AT_ONCE]):
        yield rows.model._base_manager.filter(pk__in=found).delete()[0]
