"""Indexes: the uniqueness they promise, and a fast way to documents by equality."""

import itertools
import json
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from bson import Int64

from .errors import CommandError, ErrorCode, not_implemented
from .query import field_values, matches
from .query_validation import validate_query
from .values import SCALARS, Document, identity

Entry = tuple[Hashable, ...]

MAX_LIFETIME_SECONDS: Final = 2**31 - 1

_STORED_OPTIONS: Final = (
    "key",
    "name",
    "unique",
    "sparse",
    "partialFilterExpression",
    "expireAfterSeconds",
)
_IGNORED_OPTIONS: Final = ("background", "v", "ns")


@dataclass(kw_only=True)
class Index:
    """One index of a collection: for each entry, the identities of the documents that have it."""

    spec: Document
    entries: dict[Entry, dict[Hashable, None]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The index's name, unique in its collection."""
        return str(self.spec["name"])

    @property
    def key(self) -> Document:
        """The indexed paths, each with its direction."""
        key: Document = self.spec["key"]
        return key

    def entries_of(self, document: Document) -> list[Entry]:
        """What this index holds of a document: several entries when it indexes an array."""
        columns = [field_values(document, path) or [None] for path in self.key]
        if self.spec.get("sparse") and all(column == [None] for column in columns):
            return []
        condition = self.spec.get("partialFilterExpression")
        if condition is not None and not matches(condition, document):
            return []
        if sum(len(column) > 1 for column in columns) > 1:
            raise CommandError(
                ErrorCode.CannotIndexParallelArrays,
                f"cannot index parallel arrays in index {self.name}",
            )
        rows = itertools.product(*columns)
        return list(dict.fromkeys(tuple(map(identity, row)) for row in rows))

    def conflicts(self, entries: list[Entry], document_id: Hashable) -> bool:
        """Whether a unique index already holds one of these entries for another document."""
        if not self.spec.get("unique"):
            return False
        return any(self.entries.get(entry, {}).keys() - {document_id} for entry in entries)

    def add(self, document: Document, document_id: Hashable) -> None:
        """Enter a document."""
        for entry in self.entries_of(document):
            self.entries.setdefault(entry, {})[document_id] = None

    def remove(self, document: Document, document_id: Hashable) -> None:
        """Take out a document that was entered in this very form."""
        for entry in self.entries_of(document):
            owners = self.entries[entry]
            del owners[document_id]
            if not owners:
                del self.entries[entry]

    def lookup(self, query: Document) -> list[Hashable] | None:
        """The documents that can match a query, or None when this index cannot tell."""
        if self.spec.get("sparse") or "partialFilterExpression" in self.spec:
            return None
        wanted = [query.get(path) for path in self.key]
        if not all(isinstance(value, SCALARS) for value in wanted):
            return None
        return list(self.entries.get(tuple(map(identity, wanted)), ()))

    def expires(self, document: Document, now: datetime) -> bool:
        """Whether a TTL index lets a document go: its earliest date lies far enough back."""
        lifetime = self.spec.get("expireAfterSeconds")
        if lifetime is None:
            return False
        (path,) = self.key
        dates = [v for v in field_values(document, path) if isinstance(v, datetime)]
        return bool(dates) and min(dates) <= now - timedelta(seconds=lifetime)


def duplicate_key(namespace: str, index: Index, document: Document) -> CommandError:
    """The error 11000 in the shape from which drivers read the key."""
    values = {path: next(iter(field_values(document, path)), None) for path in index.key}
    shown = ", ".join(f"{path}: {json.dumps(value, default=str)}" for path, value in values.items())
    return CommandError(
        ErrorCode.DuplicateKey,
        f"E11000 duplicate key error collection: {namespace} index: {index.name} "
        f"dup key: {{ {shown} }}",
        keyPattern=index.key,
        keyValue=values,
    )


def parse_index(spec: Any) -> Index:
    """An index from one element of `createIndexes.indexes`, or the reason why not."""
    if not isinstance(spec, dict) or not isinstance(spec.get("key"), dict) or not spec["key"]:
        raise CommandError(ErrorCode.CannotCreateIndex, "an index needs a non-empty key")
    if not isinstance(spec.get("name"), str) or not spec["name"]:
        raise CommandError(ErrorCode.CannotCreateIndex, "an index needs a name")
    if unknown := spec.keys() - {*_STORED_OPTIONS, *_IGNORED_OPTIONS}:
        raise not_implemented(f"the index option {unknown.pop()}")
    for path, direction in spec["key"].items():
        if direction not in (1, -1) or "$" in path:
            raise not_implemented(f"an index of type {direction!r} on '{path}'")
    _check_options(spec)
    stored = {name: spec[name] for name in _STORED_OPTIONS if spec.get(name, False) is not False}
    return Index(spec={"v": 2, **stored})


def _check_options(spec: Document) -> None:
    for name in ("unique", "sparse"):
        if not isinstance(spec.get(name, False), bool | int | float):
            raise CommandError(ErrorCode.TypeMismatch, f"the index option {name} is no boolean")
    if "partialFilterExpression" in spec:
        validate_query(spec["partialFilterExpression"])
    lifetime = spec.get("expireAfterSeconds", 0)
    if type(lifetime) not in (int, Int64, float) or not 0 <= lifetime <= MAX_LIFETIME_SECONDS:
        raise CommandError(
            ErrorCode.CannotCreateIndex,
            f"expireAfterSeconds must be a number from 0 to {MAX_LIFETIME_SECONDS}",
        )
    if "expireAfterSeconds" in spec and len(spec["key"]) != 1:
        raise CommandError(ErrorCode.CannotCreateIndex, "TTL indexes are single-field indexes")
