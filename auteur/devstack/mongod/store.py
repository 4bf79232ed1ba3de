"""The data: documents in memory, each change written to SQLite before it is acknowledged.

A killed server loses nothing that it acknowledged; a power failure may cost the last seconds.
Stored documents are never mutated, only replaced.
"""

import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

import bson
from bson import ObjectId

from .errors import Code, CommandError, not_implemented
from .query import parse_query
from .values import CODEC, Document, Key, encode, key_of, values_at

ID_INDEX: Final[Document] = {"v": 2, "key": {"_id": 1}, "name": "_id_"}

_SCHEMA: Final = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS indexes (namespace TEXT, spec BLOB);
CREATE TABLE IF NOT EXISTS documents (number INTEGER PRIMARY KEY, namespace TEXT, raw BLOB);
"""


class Stored(NamedTuple):
    """A document: its row, what it says, and that as BSON."""

    number: int
    document: Document
    raw: bytes


class Index:
    """An index; where it is unique, it knows which document has which entry."""

    def __init__(self, spec: Document) -> None:
        self.spec = spec
        self.is_unique = spec.get("unique", spec == ID_INDEX)
        self.owners: dict[Key, Stored] = {}

    def entry_of(self, document: Document) -> Key:
        """What a unique index holds of a document."""
        columns = [list(values_at(document, path.split("."))) for path in self.spec["key"]]
        if any(len(values) != 1 for values in columns):
            raise not_implemented(f"an array in the unique index {self.spec['name']}")
        return tuple(key_of(value) for (value,) in columns)

    def lookup(self, query: Document) -> list[Stored] | None:
        """Which documents can match a query, or None where this index cannot tell."""
        wanted = [query.get(path) for path in self.spec["key"]]
        if not all(isinstance(value, str | int | float | ObjectId) for value in wanted):
            return None
        found = self.owners.get(tuple(map(key_of, wanted)))
        return [found] if found else []

    def check(self, document: Document, number: int | None = None) -> None:
        """Raise where another document than ``number`` has the entry of this one."""
        owner = self.owners.get(self.entry_of(document))
        if owner is not None and owner.number != number:
            values = {path: next(values_at(document, path.split("."))) for path in self.spec["key"]}
            raise CommandError(
                Code.DuplicateKey,
                f"E11000 duplicate key error index: {self.spec['name']} dup key: {values}",
                keyPattern=self.spec["key"],
                keyValue=values,
            )


class Collection:
    """The documents of one namespace, in the order of their insertion, and its indexes."""

    def __init__(self) -> None:
        self.indexes: list[Index] = [Index(ID_INDEX)]
        self.documents = self.indexes[0].owners

    @property
    def unique(self) -> list[Index]:
        return [index for index in self.indexes if index.is_unique]

    def find(self, query: Document) -> list[Stored]:
        selects = parse_query(query)
        hits = (index.lookup(query) for index in self.unique)
        candidates = next((hit for hit in hits if hit is not None), self.documents.values())
        return [stored for stored in candidates if selects(stored.document)]

    def put(self, new: Stored | None, old: Stored | None = None) -> None:
        """Enter a document, take out another, or put one in the place of its old version."""
        for index in self.unique:
            entry = index.entry_of(new.document) if new else None
            if old and (before := index.entry_of(old.document)) != entry:
                del index.owners[before]
            if new and entry is not None:
                index.owners[entry] = new


class Store:
    """All collections of a data folder; not thread-safe, its caller runs one command at a time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "documents.sqlite3"
        self._rows = sqlite3.connect(path, 0, isolation_level=None, check_same_thread=False)
        self._rows.executescript(_SCHEMA)
        self.collections: dict[str, Collection] = {}
        for namespace, raw in self._rows.execute("SELECT namespace, spec FROM indexes"):
            collection = self.collections.setdefault(namespace, Collection())
            if (spec := bson.decode(raw)) != ID_INDEX:
                collection.indexes.append(Index(spec))
        rows = "SELECT namespace, number, raw FROM documents ORDER BY number"
        for namespace, number, raw in self._rows.execute(rows):
            self.collections[namespace].put(Stored(number, bson.decode(raw, CODEC), raw))

    def find(self, namespace: str, query: Document) -> list[Stored]:
        return self.collections.get(namespace, Collection()).find(query)

    def names(self, database: str) -> list[str]:
        parts = (namespace.split(".", 1) for namespace in self.collections)
        return [name for of, name in parts if of == database]

    def create(self, namespace: str) -> Collection:
        """The collection, made where it is not there."""
        if namespace not in self.collections:
            self._rows.execute("INSERT INTO indexes VALUES (?, ?)", (namespace, encode(ID_INDEX)))
        return self.collections.setdefault(namespace, Collection())

    def create_index(self, namespace: str, spec: Document) -> None:
        """Build an index, or raise DuplicateKey where its promise is broken already."""
        collection = self.create(namespace)
        existing = {index.spec["name"]: index.spec for index in collection.indexes}
        if existing.get(spec["name"], spec) != spec:
            raise CommandError(Code.IndexKeySpecsConflict, f"{spec['name']} is another index")
        if spec["name"] in existing:
            return
        index = Index(spec)
        for stored in collection.documents.values() if index.is_unique else ():
            index.check(stored.document)
            index.owners[index.entry_of(stored.document)] = stored
        self._rows.execute("INSERT INTO indexes VALUES (?, ?)", (namespace, encode(spec)))
        collection.indexes.append(index)

    def insert(self, namespace: str, document: Document) -> None:
        """Store a new document, or raise DuplicateKey."""
        raw, collection = encode(document), self.create(namespace)
        for index in collection.unique:
            index.check(document)
        write = "INSERT INTO documents (namespace, raw) VALUES (?, ?)"
        number = self._rows.execute(write, (namespace, raw)).lastrowid
        collection.put(Stored(number or 0, document, raw))

    def replace(self, namespace: str, old: Stored, document: Document) -> bool:
        """Put a new version of a document, or raise DuplicateKey; whether it differs."""
        new = Stored(old.number, document, encode(document))
        if new.raw == old.raw:
            return False
        for index in self.collections[namespace].unique:
            index.check(document, old.number)
        self._rows.execute("UPDATE documents SET raw = ? WHERE number = ?", (new.raw, new.number))
        self.collections[namespace].put(new, old)
        return True

    def delete(self, namespace: str, old: Stored) -> None:
        self._rows.execute("DELETE FROM documents WHERE number = ?", (old.number,))
        self.collections[namespace].put(None, old)

    def drop(self, namespace: str) -> None:
        self._rows.execute("DELETE FROM documents WHERE namespace = ?", (namespace,))
        self._rows.execute("DELETE FROM indexes WHERE namespace = ?", (namespace,))
        self.collections.pop(namespace, None)

    def close(self) -> None:
        self._rows.close()
