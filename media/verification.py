"""Compares rows with the storage: every object must have its row, and every row its object.

Both are read in the order of their keys, a page at a time, so neither is ever in memory whole. Each
difference is read again before it is reported, since both change meanwhile.
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

from media.orphans import pages
from media.storage import LONGEST_WRITE, ObjectMissingError, StoredObject, object_storage
from media.storage.owners import Column, find_prefix, list_columns, list_referenced_keys
from media.sweeping import UNFINISHED_KEPT

RULES = {
    "object_without_row": "an object that no row names, older than any URL to write it with",
    "row_without_object": "a row that names an object which is not there",
    "size_differs": "an object that has another size than its row",
    "unknown_object": "an object in none of our folders: it is never removed",
    "half_upload": "what was half written and left alone",
}
SHOWN = 100
"""Findings that are named; all are counted."""
USERS_AT_ONCE = 100
ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Finding:
    """One thing that is off; sizes in bytes, as far as they are known."""

    rule: str
    key: str
    expected: int | None = None
    found: int | None = None


@dataclass
class Report:
    """What was compared, and what is off."""

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


def verify_storage(*, limit: int = SHOWN) -> Report:
    """Compare all; takes one listing for each thousand objects, and a look at what differs."""
    report = Report(timezone.now())
    for finding in _findings(report):
        report.add(finding, limit)
    return report


def _findings(report: Report) -> Iterator[Finding]:
    """Objects and rows side by side: both come in the order of their keys."""
    wanted = required_keys()
    row = next(wanted, None)
    for page in pages():
        report.objects += len(page)
        report.size_bytes += sum(one.size_bytes for one in page)
        yield from _off(page, report.checked_at)
        keys = {one.key for one in page}
        while row is not None and row <= page[-1].key:
            yield from () if row in keys else _lost(row)
            row = next(wanted, None)
    while row is not None:
        yield from _lost(row)
        row = next(wanted, None)
    for name in object_storage().unfinished(before=report.checked_at - UNFINISHED_KEPT):
        yield Finding("half_upload", name)


def _off(page: Sequence[StoredObject], now: datetime) -> Iterator[Finding]:
    owned = list_referenced_keys(page)
    for one in page:
        if find_prefix(one.key) is None:
            yield Finding("unknown_object", one.key, None, one.size_bytes)
        elif one.key in owned:
            yield from _of_another_size(one, owned[one.key])
        elif one.modified_at < now - LONGEST_WRITE and _size_now(one.key) is not None:
            yield Finding("object_without_row", one.key, None, one.size_bytes)


def _of_another_size(one: StoredObject, size: int | None) -> Iterator[Finding]:
    if size is None or size == one.size_bytes:
        return
    found, expected = _size_now(one.key), _named_now(one.key).get(one.key)
    if None not in (found, expected) and found != expected:
        yield Finding("size_differs", one.key, expected, found)


def _lost(key: str) -> Iterator[Finding]:
    # The object first: a row goes before its object does.
    if _size_now(key) is None and key in (names := _named_now(key)):
        yield Finding("row_without_object", key, names[key])


def _size_now(key: str) -> int | None:
    try:
        return object_storage().head(key).size_bytes
    except ObjectMissingError:
        return None


def _named_now(key: str) -> dict[str, int | None]:
    return list_referenced_keys([StoredObject(key=key, modified_at=timezone.now(), size_bytes=0)])


def required_keys() -> Iterator[str]:
    """The keys of all objects that must be there, in their order: users' ids sort as their keys."""
    users = get_user_model()._default_manager.order_by("pk")
    after = UUID(int=0)
    while some := list(users.filter(pk__gt=after).values_list("pk", flat=True)[:USERS_AT_ONCE]):
        yield from merge(*(_keys_of(column, some) for column in list_columns()))
        after = some[-1]


def _keys_of(column: Column, users: Sequence[UUID]) -> Iterator[str]:
    expression: Any = F(column.key) if isinstance(column.key, str) else column.key
    # By bytes, as storages sort, whatever the database's own order is.
    rows = column.rows().filter(user_id__in=users).annotate(object_key=Collate(expression, "C"))
    after = ""
    while some := list(
        rows.filter(object_key__gt=after)
        .order_by("object_key")
        .values_list("object_key", flat=True)[:ROWS_AT_ONCE]
    ):
        yield from some
        after = some[-1]
