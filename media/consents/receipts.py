"""Receipts: objects are named by rows, removed, and then said to be gone, in this order."""

import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from media.consents.models import Consent, Removal, RemovedKind
from media.models import MediaFile, Upload
from media.storage import ObjectMissingError, object_storage

REQUESTS_AT_ONCE = 8
"""Of the storage: as many take no longer than one, which is less than a lease."""
SOURCES = (RemovedKind.MEDIA, RemovedKind.VOICE)

Answer = TypeVar("Answer")


def is_being_removed(source_ids: Collection[UUID]) -> bool:
    """Whether any of these media or voices is being taken down, or has been."""
    return Removal.objects.filter(object_id__in=source_ids, kind__in=SOURCES).exists()


def list_removals(consent: Consent, removals: Iterable[Removal]) -> None:
    """Name these objects, each once."""
    named = {one.key: one for one in removals}
    for one in named.values():
        one.consent = consent
    # What has been written once more is to be removed once more.
    Removal.objects.bulk_create(
        named.values(),
        update_conflicts=True,
        unique_fields=["consent", "key"],
        update_fields=["size_bytes", "removed_at"],
    )


def name_rows(consent: Consent, rows: Iterable[Upload]) -> None:
    """Name the objects that media files and voices tell of."""
    list_removals(consent, (one for row in rows for one in _of_row(row)))


def name_stored(consent: Consent, kind: RemovedKind, folders: Mapping[str, UUID]) -> None:
    """Name what lies in these folders, each with the id of its owner; with sizes in bytes."""
    listed = zip(folders.values(), _each(object_storage().objects, folders), strict=True)
    list_removals(
        consent,
        (
            Removal(kind=kind, object_id=owner, key=one.key, size_bytes=one.size_bytes)
            for owner, found in listed
            for one in found
        ),
    )


def name_segments(consent: Consent, keys: Mapping[str, UUID]) -> None:
    """Name those of the segments that are there, each with its job."""
    sizes = zip(keys.items(), _each(_size, keys), strict=True)
    list_removals(
        consent,
        (
            Removal(kind=RemovedKind.SEGMENT, object_id=job_id, key=key, size_bytes=size)
            for (key, job_id), size in sizes
            if size is not None
        ),
    )


def remove_some(rows: QuerySet[Removal]) -> int:
    """Remove some of these objects that are `left`; returns how many, 0 once all are gone.

    Raises one of ``STORAGE_ERRORS``.
    """
    some = dict(rows.values_list("pk", "key")[:REQUESTS_AT_ONCE])
    _each(object_storage().delete, some.values())
    return Removal.objects.filter(pk__in=some).update(removed_at=Now())


def left(consent: Consent) -> QuerySet[Removal]:
    """What is named and not yet removed, as its index has it."""
    return Removal.objects.filter(consent=consent, removed_at=None).order_by("object_id")


def archives_of(consent: Consent) -> dict[str, UUID]:
    """The folders of the exports that are named, each with its export."""
    named = Removal.objects.filter(consent=consent, kind=RemovedKind.EXPORT)
    return {f"{posixpath.dirname(one.key)}/": one.object_id for one in named}


def _of_row(row: Upload) -> Iterator[Removal]:
    is_file = isinstance(row, MediaFile)
    kind = RemovedKind.MEDIA if is_file else RemovedKind.VOICE
    yield Removal(kind=kind, object_id=row.pk, key=row.object_key, size_bytes=row.file_size_bytes)
    for column in row.derived_keys() if isinstance(row, MediaFile) else ():
        if key := getattr(row, column):
            yield Removal(kind=RemovedKind.DERIVATIVE, object_id=row.pk, key=key)


def _size(key: str) -> int | None:
    with suppress(ObjectMissingError):
        return object_storage().head(key).size_bytes
    return None


def _each(ask: Callable[[str], Answer], keys: Iterable[str]) -> list[Answer]:
    """The storage's answer about each key, some at once."""
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        return list(pool.map(ask, list(keys)))
