"""Compare rows with the storage: every object must have its row, and every row its object.

Both are read in key order, one page at a time, so neither is ever completely in memory. Each
difference is read again before it is reported, because both change meanwhile.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import F
from django.db.models.functions import Collate
from django.utils import timezone

from media.orphans import iterate_pages
from media.storage import MAX_WRITE_LIFETIME, ObjectMissingError, StoredObject, object_storage
from media.storage.owners import Column, find_prefix, list_columns, list_referenced_keys
from media.sweeping import UNFINISHED_LIFETIME

RULES = {
    "object_without_row": "an object that no row names, older than any URL to write it",
    "row_without_object": "a row that names a missing object",
    "size_differs": "an object whose size differs from that in its row",
    "unknown_object": "an object outside all of our folders, which is never removed",
    "half_upload": "an upload that was begun and never finished",
}
DEFAULT_LIMIT = 100
"""Findings that are listed by default. All are counted."""
USERS_PER_PAGE = 100
ROWS_PER_PAGE = 1000


@dataclass(frozen=True)
class Finding:
    """One difference; sizes are in bytes, None if unknown."""

    rule: str
    key: str
    expected: int | None = None
    found: int | None = None


@dataclass
class Report:
    """The result of a comparison."""

    checked_at: datetime
    objects: int = 0
    size_bytes: int = 0
    broken: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULES, 0))
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding, limit: int) -> None:
        self.broken[finding.rule] += 1
        if len(self.findings) < limit:
            self.findings.append(finding)

    @property
    def total(self) -> int:
        return sum(self.broken.values())


def verify_storage(*, limit: int = DEFAULT_LIMIT) -> Report:
    """Compare all rows and objects, with one request per 1000 objects and per difference."""
    report = Report(timezone.now())
    for finding in _iterate_findings(report):
        report.add(finding, limit)
    return report


def _iterate_findings(report: Report) -> Iterator[Finding]:
    """Yield the differences by merging objects and rows, which are both in key order."""
    required = iterate_required_keys()
    row = next(required, None)
    for page in iterate_pages():
        report.objects += len(page)
        report.size_bytes += sum(stored.size_bytes for stored in page)
        yield from _check_objects(page, report.checked_at)
        keys = {stored.key for stored in page}
        while row is not None and row <= page[-1].key:
            yield from () if row in keys else _check_missing(row)
            row = next(required, None)
    while row is not None:
        yield from _check_missing(row)
        row = next(required, None)
    for name in object_storage().list_unfinished(before=report.checked_at - UNFINISHED_LIFETIME):
        yield Finding("half_upload", name)


def _check_objects(page: Sequence[StoredObject], now: datetime) -> Iterator[Finding]:
    sizes = list_referenced_keys(page)
    for stored in page:
        if find_prefix(stored.key) is None:
            yield Finding("unknown_object", stored.key, None, stored.size_bytes)
        elif stored.key in sizes:
            yield from _check_size(stored, sizes[stored.key])
        elif stored.modified_at < now - MAX_WRITE_LIFETIME and _find_size(stored.key) is not None:
            yield Finding("object_without_row", stored.key, None, stored.size_bytes)


def _check_size(stored: StoredObject, size: int | None) -> Iterator[Finding]:
    if size is None or size == stored.size_bytes:
        return
    stored_size, expected = _find_size(stored.key), _list_current_sizes(stored.key).get(stored.key)
    if None not in (stored_size, expected) and stored_size != expected:
        yield Finding("size_differs", stored.key, expected, stored_size)


def _check_missing(key: str) -> Iterator[Finding]:
    # Read the object first: a row is deleted before its object.
    if _find_size(key) is None and key in (sizes := _list_current_sizes(key)):
        yield Finding("row_without_object", key, sizes[key])


def _find_size(key: str) -> int | None:
    try:
        return object_storage().head(key).size_bytes
    except ObjectMissingError:
        return None


def _list_current_sizes(key: str) -> dict[str, int | None]:
    return list_referenced_keys([StoredObject(key=key, modified_at=timezone.now(), size_bytes=0)])


def iterate_required_keys() -> Iterator[str]:
    """Yield the keys of all objects that must exist, in key order, which is users' id order."""
    users = get_user_model()._default_manager.order_by("pk")
    after = UUID(int=0)
    while user_ids := list(
        users.filter(pk__gt=after).values_list("pk", flat=True)[:USERS_PER_PAGE]
    ):
        yield from merge(*(_iterate_keys(column, user_ids) for column in list_columns()))
        after = user_ids[-1]


def _iterate_keys(column: Column, user_ids: Sequence[UUID]) -> Iterator[str]:
    expression: Any = F(column.key) if isinstance(column.key, str) else column.key
    # Storages sort keys by bytes, and the database's own collation may differ.
    rows = column.rows().filter(user_id__in=user_ids).annotate(object_key=Collate(expression, "C"))
    after = ""
    while keys := list(
        rows.filter(object_key__gt=after)
        .order_by("object_key")
        .values_list("object_key", flat=True)[:ROWS_PER_PAGE]
    ):
        yield from keys
        after = keys[-1]
