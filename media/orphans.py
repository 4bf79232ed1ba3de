"""Objects that no row names: found by listing the whole storage, some pages at a time.

A signed URL stays valid after its row is deleted, so an object may be stored that no row names. It
is removed once it is older than the longest life of such a URL (docs/decisions/0019).
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db.models.functions import Now

from auteur.database import clock
from media.models import StorageWalk
from media.storage import LONGEST_WRITE, STORAGE_ERRORS, StoredObject, is_refusal, object_storage
from media.storage.owners import find_prefix, list_referenced_keys

logger = logging.getLogger(__name__)

LISTED_AT_ONCE = 1000
"""Objects of one listing, which is one request."""
TURN = timedelta(minutes=1)
"""From one turn to the next, of all orchestrators together."""
LISTINGS_A_TURN = 5
REMOVALS_A_TURN = 250


@dataclass
class ObjectCount:
    """So many objects, so many bytes."""

    count: int = 0
    size_bytes: int = 0


def pages(after: str = "") -> Iterator[list[StoredObject]]:
    """All objects whose keys come after this one, in the order of their keys."""
    while page := object_storage().page(after, LISTED_AT_ONCE):
        yield page
        after = page[-1].key


def orphans_of(page: Sequence[StoredObject], *, before: datetime) -> list[StoredObject]:
    """Those that lie in a user's room of ours since before then, and that no row names.

    Not those in rooms that are no user's: archives have their rows first, and what else is there
    may be somebody's backup.
    """
    old = [one for one in page if one.modified_at < before and is_in_users_room(one.key)]
    owned = list_referenced_keys(old)
    return [one for one in old if one.key not in owned]


def is_in_users_room(key: str) -> bool:
    """Whether it lies in a room of ours within a user's folder."""
    return key.startswith("users/") and find_prefix(key) is not None


def count_orphans() -> dict[str, ObjectCount]:
    """How much there is to remove, by room."""
    found: dict[str, ObjectCount] = {}
    before = clock.now() - LONGEST_WRITE
    for page in pages():
        for orphan in orphans_of(page, before=before):
            tally = found.setdefault(find_prefix(orphan.key) or "", ObjectCount())
            tally.count += 1
            tally.size_bytes += orphan.size_bytes
    return found


def delete_all() -> int:
    """Remove all at once, however many requests that takes; returns how many."""
    before = clock.now() - LONGEST_WRITE
    return sum(_remove(orphan) for page in pages() for orphan in orphans_of(page, before=before))


def sweep_orphans() -> int:
    """Walk on a little, if it is time; returns how many objects were removed."""
    StorageWalk.objects.get_or_create(pk=StorageWalk.ONLY)
    walk = StorageWalk.objects.filter(pk=StorageWalk.ONLY)
    if not walk.filter(next_at__lte=Now()).update(next_at=Now() + TURN):
        return 0
    step = _Step(after=walk.get().after)
    try:
        step.walk()
    finally:
        walk.update(after=step.after)
    return step.removed


@dataclass
class _Step:
    """One turn: ``after`` is the last key that is done with."""

    after: str
    handled: int = 0
    removed: int = 0

    def walk(self) -> None:
        before = clock.now() - LONGEST_WRITE
        listings = 0
        for page in islice(pages(self.after), LISTINGS_A_TURN):
            listings += 1
            for orphan in orphans_of(page, before=before):
                if self.handled == REMOVALS_A_TURN:
                    return
                self.removed += _remove(orphan)
                self.handled += 1
                self.after = orphan.key
            self.after = page[-1].key
        if listings < LISTINGS_A_TURN:  # that was all: from the beginning again
            self.after = ""


def _remove(orphan: StoredObject) -> int:
    """1 if it is gone; a storage that is away raises, one that refuses keeps it until next time."""
    try:
        object_storage().delete(orphan.key)
    except STORAGE_ERRORS as exc:
        if not is_refusal(exc):
            raise
        logger.warning("an object without a row cannot be removed: %s", type(exc).__name__)
        return 0
    return 1
