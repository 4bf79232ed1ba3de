"""Find and delete orphans by listing the whole storage, some pages at a time.

A signed URL stays valid after its row is deleted, so an object may be stored that no row names. It
is deleted once it is older than the longest life of such a URL (docs/decisions/0019).
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db.models.functions import Now

from auteur.core.database import clock
from media.models import StorageWalk
from media.storage import (
    MAX_WRITE_LIFETIME,
    STORAGE_ERRORS,
    StoredObject,
    is_refusal,
    object_storage,
)
from media.storage.owners import find_prefix, list_referenced_keys

logger = logging.getLogger(__name__)

PAGE_SIZE = 1000
"""Objects in one listing, which is one request."""
SWEEP_INTERVAL = timedelta(minutes=1)
"""The interval between two turns, of all orchestrators together."""
MAX_LISTINGS = 5
MAX_DELETIONS = 250


@dataclass
class ObjectCount:
    """A number of objects, and their total size."""

    count: int = 0
    size_bytes: int = 0


def iterate_pages(after: str = "") -> Iterator[list[StoredObject]]:
    """Yield pages of all objects with keys after this one, in key order."""
    while page := object_storage().list_page(after, PAGE_SIZE):
        yield page
        after = page[-1].key


def list_orphans(page: Sequence[StoredObject], *, before: datetime) -> list[StoredObject]:
    """Return the orphans in users' rooms that were last modified before that time.

    Objects outside users' folders are never orphans: they may be an operator's backup.
    """
    candidates = [
        stored
        for stored in page
        if stored.modified_at < before and find_prefix(stored.key) is not None
    ]
    referenced = list_referenced_keys(candidates)
    return [stored for stored in candidates if stored.key not in referenced]


def count_orphans() -> dict[str, ObjectCount]:
    """Return the number and size of the orphans, by room."""
    counts: dict[str, ObjectCount] = {}
    before = clock.now() - MAX_WRITE_LIFETIME
    for page in iterate_pages():
        for orphan in list_orphans(page, before=before):
            tally = counts.setdefault(find_prefix(orphan.key) or "", ObjectCount())
            tally.count += 1
            tally.size_bytes += orphan.size_bytes
    return counts


def delete_all_orphans() -> int:
    """Delete all orphans, without limit on requests, and return how many."""
    before = clock.now() - MAX_WRITE_LIFETIME
    return sum(
        _delete_orphan(orphan)
        for page in iterate_pages()
        for orphan in list_orphans(page, before=before)
    )


def sweep_orphans() -> int:
    """Continue the walk through the storage, if it is due; return how many were deleted."""
    StorageWalk.objects.get_or_create(pk=StorageWalk.ONLY)
    walk = StorageWalk.objects.filter(pk=StorageWalk.ONLY)
    if not walk.filter(next_at__lte=Now()).update(next_at=Now() + SWEEP_INTERVAL):
        return 0
    turn = _SweepStep(after=walk.get().after)
    try:
        turn.walk()
    finally:
        walk.update(after=turn.after)
    return turn.removed


@dataclass
class _SweepStep:
    """One turn of the walk; ``after`` is the last key that was handled."""

    after: str
    handled: int = 0
    removed: int = 0

    def walk(self) -> None:
        before = clock.now() - MAX_WRITE_LIFETIME
        listings = 0
        for page in islice(iterate_pages(self.after), MAX_LISTINGS):
            listings += 1
            for orphan in list_orphans(page, before=before):
                if self.handled == MAX_DELETIONS:
                    return
                self.removed += _delete_orphan(orphan)
                self.handled += 1
                self.after = orphan.key
            self.after = page[-1].key
        # The end of the storage was reached: the next turn begins at the first key.
        if listings < MAX_LISTINGS:
            self.after = ""


def _delete_orphan(orphan: StoredObject) -> int:
    """Delete the object and return 1, or 0 if the storage refuses; raises in an outage."""
    try:
        object_storage().delete(orphan.key)
    except STORAGE_ERRORS as exc:
        if not is_refusal(exc):
            raise
        logger.warning("an object without a row cannot be removed: %s", type(exc).__name__)
        return 0
    return 1
