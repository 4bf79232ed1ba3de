"""Record each object that a revoked consent covers in a receipt, and remove it."""

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

PARALLEL_REQUESTS = 8
"""Parallel requests to the storage. They take as long as one, which is less than a lease."""
SOURCES = (RemovedKind.MEDIA, RemovedKind.VOICE)

Answer = TypeVar("Answer")


def is_being_removed(source_ids: Collection[UUID]) -> bool:
    """Return True if a revocation removes or has removed any of these media or voices."""
    return Removal.objects.filter(object_id__in=source_ids, kind__in=SOURCES).exists()


def add_removals(consent: Consent, removals: Iterable[Removal]) -> None:
    """Add these objects to the consent's receipt, each key once."""
    removals_by_key = {removal.key: removal for removal in removals}
    for removal in removals_by_key.values():
        removal.consent = consent
    # An object that was written again after its removal must be removed again.
    Removal.objects.bulk_create(
        removals_by_key.values(),
        update_conflicts=True,
        unique_fields=["consent", "key"],
        update_fields=["size_bytes", "removed_at"],
    )


def add_rows(consent: Consent, rows: Iterable[Upload]) -> None:
    """Add the objects of these media and voices to the receipt."""
    add_removals(consent, (removal for row in rows for removal in _build_removals(row)))


def add_stored_objects(consent: Consent, kind: RemovedKind, folders: Mapping[str, UUID]) -> None:
    """Add the objects in these folders to the receipt; the values are their owners' ids."""
    listings = _request_in_parallel(object_storage().list_objects, folders)
    add_removals(
        consent,
        (
            Removal(kind=kind, object_id=owner_id, key=stored.key, size_bytes=stored.size_bytes)
            for owner_id, objects in zip(folders.values(), listings, strict=True)
            for stored in objects
        ),
    )


def add_segments(consent: Consent, keys: Mapping[str, UUID]) -> None:
    """Add the existing ones of these segments to the receipt; the values are their jobs' ids."""
    sizes = _request_in_parallel(_find_size, keys)
    add_removals(
        consent,
        (
            Removal(kind=RemovedKind.SEGMENT, object_id=job_id, key=key, size_bytes=size)
            for (key, job_id), size in zip(keys.items(), sizes, strict=True)
            if size is not None
        ),
    )


def remove_batch(rows: QuerySet[Removal]) -> int:
    """Remove a batch of these objects, and return how many; 0 once all are gone.

    Raises one of ``STORAGE_ERRORS``.
    """
    keys = dict(rows.values_list("pk", "key")[:PARALLEL_REQUESTS])
    _request_in_parallel(object_storage().delete, keys.values())
    return Removal.objects.filter(pk__in=keys).update(removed_at=Now())


def list_pending_removals(consent: Consent) -> QuerySet[Removal]:
    """Return the consent's removals that are not done yet, in the order of their index."""
    return Removal.objects.filter(consent=consent, removed_at=None).order_by("object_id")


def list_export_folders(consent: Consent) -> dict[str, UUID]:
    """Return the folders of the exports in the receipt, with the exports' ids."""
    removals = Removal.objects.filter(consent=consent, kind=RemovedKind.EXPORT)
    return {f"{posixpath.dirname(removal.key)}/": removal.object_id for removal in removals}


def _build_removals(row: Upload) -> Iterator[Removal]:
    is_file = isinstance(row, MediaFile)
    kind = RemovedKind.MEDIA if is_file else RemovedKind.VOICE
    yield Removal(kind=kind, object_id=row.pk, key=row.object_key, size_bytes=row.file_size_bytes)
    for column in row.derived_keys() if isinstance(row, MediaFile) else ():
        if key := getattr(row, column):
            yield Removal(kind=RemovedKind.DERIVATIVE, object_id=row.pk, key=key)


def _find_size(key: str) -> int | None:
    with suppress(ObjectMissingError):
        return object_storage().head(key).size_bytes
    return None


def _request_in_parallel(send: Callable[[str], Answer], keys: Iterable[str]) -> list[Answer]:
    """Return the storage's answers in the order of the keys."""
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        return list(pool.map(send, list(keys)))
