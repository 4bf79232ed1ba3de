"""The data: databases of collections in memory, each change journaled before it is made.

Stored documents are never mutated, only replaced, so that readers may keep references to them.
"""

import logging
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import bson
from bson.raw_bson import RawBSONDocument

from .errors import CommandError, ErrorCode
from .indexes import Index, duplicate_key
from .journal import Journal
from .query import matching
from .values import CODEC, SCALARS, Document, encode_stored, identity

logger = logging.getLogger(__name__)

COMPACTION_FLOOR_BYTES: Final = 32 * 1024 * 1024

ID_INDEX: Final[Document] = {"v": 2, "key": {"_id": 1}, "name": "_id_"}


class Namespace(NamedTuple):
    """A database and a collection in it."""

    database: str
    collection: str

    def __str__(self) -> str:
        return f"{self.database}.{self.collection}"


@dataclass
class Collection:
    """The documents of one namespace by the identity of their `_id`, in order of insertion."""

    documents: dict[Hashable, Document] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)

    def find(self, query: Document) -> Iterator[Document]:
        """The documents that a query selects."""
        return matching(query, self._candidates(query))

    def _candidates(self, query: Document) -> list[Document]:
        """The documents that may match, narrowed by the first index that fits."""
        if isinstance(query.get("_id"), SCALARS):
            found = self.documents.get(identity(query["_id"]))
            return [] if found is None else [found]
        for index in self.indexes.values():
            owners = index.lookup(query)
            if owners is not None:
                return [self.documents[owner] for owner in owners]
        return list(self.documents.values())

    def put(self, document: Document) -> None:
        """Insert a document, or replace the one with its `_id`."""
        key = identity(document["_id"])
        self._unindex(key)
        self.documents[key] = document
        for index in self.indexes.values():
            index.add(document, key)

    def delete(self, key: Hashable) -> None:
        """Remove a document, if it is there."""
        self._unindex(key)
        self.documents.pop(key, None)

    def _unindex(self, key: Hashable) -> None:
        old = self.documents.get(key)
        if old is not None:
            for index in self.indexes.values():
                index.remove(old, key)

    def add_index(self, index: Index) -> None:
        """Build an index over the documents."""
        for key, document in self.documents.items():
            index.add(document, key)
        self.indexes[index.name] = index


class Store:
    """All databases of a data folder; not thread-safe, its caller runs one command at a time."""

    def __init__(self, folder: Path, *, compaction_floor: int = COMPACTION_FLOOR_BYTES) -> None:
        self._databases: dict[str, dict[str, Collection]] = {}
        self._compaction_floor = compaction_floor
        self._journal = Journal(folder)
        for record in self._journal.replay():
            self._apply(bson.decode(record, CODEC))
        self._compact_if_outgrown()

    @property
    def database_names(self) -> list[str]:
        """The databases that have collections."""
        return sorted(name for name, collections in self._databases.items() if collections)

    def collections(self, database: str) -> dict[str, Collection]:
        """The collections of a database by name."""
        return self._databases.get(database, {})

    def collection(self, namespace: Namespace) -> Collection | None:
        """A collection, or None when it was never created."""
        return self.collections(namespace.database).get(namespace.collection)

    def find(self, namespace: Namespace, query: Document) -> Iterator[Document]:
        """The documents of a namespace that a query selects."""
        return (self.collection(namespace) or Collection()).find(query)

    def insert(self, namespace: Namespace, document: Document) -> None:
        """Store a new document, or fail with DuplicateKey."""
        collection = self.collection(namespace)
        if collection is not None and identity(document["_id"]) in collection.documents:
            raise duplicate_key(str(namespace), Index(spec=ID_INDEX), document)
        self._put(namespace, document)

    def replace(self, namespace: Namespace, document: Document) -> None:
        """Put a new version of a stored document, the one with the same `_id`."""
        self._put(namespace, document)

    def delete(self, namespace: Namespace, document: Document) -> None:
        """Remove a stored document."""
        self._commit({"op": "delete", "ns": list(namespace), "id": document["_id"]})

    def create(self, namespace: Namespace) -> None:
        """Create an empty collection."""
        self._commit({"op": "create", "ns": list(namespace)})

    def drop(self, namespace: Namespace) -> None:
        """Remove a collection with its indexes."""
        self._commit({"op": "drop", "ns": list(namespace)})

    def create_index(self, namespace: Namespace, index: Index) -> None:
        """Build an index, or fail with DuplicateKey where its promise is broken already."""
        built = Index(spec=index.spec)
        for key, document in (self.collection(namespace) or Collection()).documents.items():
            if built.conflicts(built.entries_of(document), key):
                raise duplicate_key(str(namespace), built, document)
            built.add(document, key)
        self._commit({"op": "index", "ns": list(namespace), "spec": index.spec})

    def drop_index(self, namespace: Namespace, name: str) -> None:
        """Remove an index."""
        self._commit({"op": "unindex", "ns": list(namespace), "name": name})

    def delete_expired(self, now: datetime) -> int:
        """Delete what TTL indexes let go of; returns how many documents that was."""
        expired = [
            (Namespace(database, name), document)
            for database, collections in self._databases.items()
            for name, collection in collections.items()
            for document in collection.documents.values()
            if any(index.expires(document, now) for index in collection.indexes.values())
        ]
        for namespace, document in expired:
            self.delete(namespace, document)
        return len(expired)

    def sync(self) -> None:
        """Wait until the disk itself has every change."""
        self._journal.sync()

    def close(self) -> None:
        """Let go of the data folder."""
        self._journal.close()

    def _put(self, namespace: Namespace, document: Document) -> None:
        raw = encode_stored(document)
        key = identity(document["_id"])
        for index in (self.collection(namespace) or Collection()).indexes.values():
            if index.conflicts(index.entries_of(document), key):
                raise duplicate_key(str(namespace), index, document)
        self._commit({"op": "put", "ns": list(namespace), "doc": document}, raw=raw)

    def _commit(self, change: Document, *, raw: bytes | None = None) -> None:
        """Journal a change, then make it; nothing after the journal may fail."""
        record = change if raw is None else {**change, "doc": RawBSONDocument(raw)}
        self._journal.append(bson.encode(record, codec_options=CODEC))
        self._apply(change)
        self._compact_if_outgrown()

    def _apply(self, change: Document) -> None:
        namespace = Namespace(*change["ns"])
        collections = self._databases.setdefault(namespace.database, {})
        if change["op"] == "drop":
            collections.pop(namespace.collection, None)
            return
        collection = collections.setdefault(namespace.collection, Collection())
        match change["op"]:
            case "put":
                collection.put(change["doc"])
            case "delete":
                collection.delete(identity(change["id"]))
            case "index":
                collection.add_index(Index(spec=change["spec"]))
            case "unindex":
                collection.indexes.pop(change["name"], None)

    def _compact_if_outgrown(self) -> None:
        if not self._journal.outgrown(self._compaction_floor):
            return
        try:
            self._journal.rewrite(self._snapshot())
        except OSError as error:
            logger.warning("could not compact the journal: %s", error)
            self._journal.postpone_rewrite()

    def _snapshot(self) -> Iterator[bytes]:
        for database, collections in self._databases.items():
            for name, collection in collections.items():
                for change in _changes_that_make(collection):
                    yield bson.encode({**change, "ns": [database, name]}, codec_options=CODEC)


def _changes_that_make(collection: Collection) -> Iterator[dict[str, Any]]:
    yield {"op": "create"}
    for index in collection.indexes.values():
        yield {"op": "index", "spec": index.spec}
    for document in collection.documents.values():
        yield {"op": "put", "doc": document}


def parse_namespace(database: Any, collection: Any) -> Namespace:
    """A namespace under MongoDB's rules for names, or InvalidNamespace."""
    for name, forbidden in ((database, '/\\. "$\x00'), (collection, "$\x00")):
        if not isinstance(name, str) or not name or any(char in name for char in forbidden):
            raise CommandError(
                ErrorCode.InvalidNamespace, f"Invalid namespace specified '{database}.{collection}'"
            )
    if collection.startswith((".", "system.")):
        raise CommandError(ErrorCode.InvalidNamespace, f"Invalid collection name: {collection}")
    return Namespace(database, collection)
