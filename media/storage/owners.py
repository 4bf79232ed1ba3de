"""Who owns an object: tables say which keys their rows name, and where they expect an upload.

Keys begin with ``users/<user>/<room>/``, or with a room that is no user's. The apps above register
the owners of their rooms in ``AppConfig.ready``; what lies in no room of theirs is not ours, and
left alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from auteur.api.problems import NotFoundProblem, Problem, Resource
from media.storage import StoredObject


class NotExpectedProblem(Problem):
    """There is a row for the key, and it takes no bytes: its upload or its attempt is over."""

    status_code = 409
    default_code = "not_expected"
    default_detail = "The upload is over. Nothing more can be sent."


@dataclass(frozen=True)
class Column:
    """Keys whose objects must be there, each in the folder of its row's user."""

    rows: Callable[[], QuerySet[Any]]
    key: Any
    """A field's name, or an expression."""


@dataclass(frozen=True)
class Owner:
    """A table that names objects of one room.

    ``names`` answers which of some objects a row names, each with the size that it must have, if
    that is known. ``expects`` answers how many bytes may be put under a key, None where no row
    names it, or raises ``NotExpectedProblem``; it holds the row until the transaction ends.
    """

    room: str
    names: Callable[[Sequence[StoredObject]], Mapping[str, int | None]] = lambda objects: {}
    expects: Callable[[str], int | None] = lambda key: None
    columns: Sequence[Column] = ()
    is_at_root: bool = False
    """Its keys begin with the room: they are no user's."""


_owners: list[Owner] = []


def register_object_owner(owner: Owner) -> None:
    """Have the owner asked about the objects of its room; twice counts once."""
    if owner not in _owners:
        _owners.append(owner)


def list_columns() -> list[Column]:
    """All columns that name objects."""
    return [column for owner in _owners for column in owner.columns]


def find_prefix(key: str) -> str | None:
    """The room that a key lies in; None for what is not ours."""
    is_users = key.startswith("users/")
    user, _, rest = key.removeprefix("users/").partition("/")
    room, _, name = rest.partition("/") if is_users else (user, "", rest)
    known = any(one.room == room and one.is_at_root is not is_users for one in _owners)
    return room if user and name and known else None


def list_referenced_keys(objects: Iterable[StoredObject]) -> dict[str, int | None]:
    """Those of the objects that a row names, by key, with the size that it tells."""
    by_room: dict[str | None, list[StoredObject]] = {}
    for one in objects:
        by_room.setdefault(find_prefix(one.key), []).append(one)
    found: dict[str, int | None] = {}
    for owner in _owners:
        if owner.room in by_room:
            found.update(owner.names(by_room[owner.room]))
    return found


@contextmanager
def lock_expected_upload(key: str) -> Iterator[int]:
    """The most bytes that may be put under the key; until the end, this stays so.

    Raises ``NotFoundProblem`` where no row has the key, and ``NotExpectedProblem``.
    """
    with transaction.atomic():
        yield _most(key)


def _most(key: str) -> int:
    room = find_prefix(key)
    for owner in _owners:
        if owner.room == room and (most := owner.expects(key)) is not None:
            return most
    raise NotFoundProblem(Resource.FILE)
