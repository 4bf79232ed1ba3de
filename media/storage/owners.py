"""Find which table owns an object, which keys its rows name, and where an upload is expected.

Keys begin with ``users/<user>/<room>/``. The apps register the owners of their rooms in
``AppConfig.ready``. Objects outside these rooms are not Auteur's, and are never touched.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from auteur.core.api.problems import NotFoundProblem, Problem, Resource
from media.storage import StoredObject


class NotExpectedProblem(Problem):
    """Raised if a row names the key but expects no bytes, because its upload or attempt is over."""

    status_code = 409
    default_code = "not_expected"
    default_detail = "The upload is over. Nothing more can be sent to this URL."


@dataclass(frozen=True)
class Column:
    """A column of keys whose objects must exist, each in the folder of its row's user."""

    rows: Callable[[], QuerySet[Any]]
    key: Any
    """A field's name, or an expression."""


@dataclass(frozen=True)
class Owner:
    """A table that names objects of one room.

    ``names`` returns the objects that a row names, each with its expected size or None.
    ``expects`` returns how many bytes may be written under a key, None if no row names it, or
    raises ``NotExpectedProblem``; it locks the row until the transaction ends.
    """

    room: str
    names: Callable[[Sequence[StoredObject]], Mapping[str, int | None]] = lambda objects: {}
    expects: Callable[[str], int | None] = lambda key: None
    columns: Sequence[Column] = ()


_owners: list[Owner] = []


def register_object_owner(owner: Owner) -> None:
    """Register the owner of a room's objects; a second call with it has no effect."""
    if owner not in _owners:
        _owners.append(owner)


def list_columns() -> list[Column]:
    """Return all columns that name objects."""
    return [column for owner in _owners for column in owner.columns]


def find_prefix(key: str) -> str | None:
    """Return the room of a key, or None for an object that is not ours."""
    if not key.startswith("users/"):
        return None
    user, _, path = key.removeprefix("users/").partition("/")
    room, _, name = path.partition("/")
    has_owner = any(owner.room == room for owner in _owners)
    return room if user and name and has_owner else None


def list_referenced_keys(objects: Iterable[StoredObject]) -> dict[str, int | None]:
    """Return the keys of the objects that a row names, with the expected sizes."""
    by_room: dict[str | None, list[StoredObject]] = {}
    for stored in objects:
        by_room.setdefault(find_prefix(stored.key), []).append(stored)
    sizes: dict[str, int | None] = {}
    for owner in _owners:
        if owner.room in by_room:
            sizes.update(owner.names(by_room[owner.room]))
    return sizes


@contextmanager
def lock_expected_upload(key: str) -> Iterator[int]:
    """Lock the row that expects the upload; yield how many bytes may be written.

    Raises ``NotFoundProblem`` if no row has the key, and ``NotExpectedProblem``.
    """
    with transaction.atomic():
        yield _get_max_bytes(key)


def _get_max_bytes(key: str) -> int:
    room = find_prefix(key)
    for owner in _owners:
        if owner.room == room and (max_bytes := owner.expects(key)) is not None:
            return max_bytes
    raise NotFoundProblem(Resource.FILE)
