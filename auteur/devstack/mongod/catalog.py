"""Commands about databases, collections and indexes."""

from typing import Any, Final

from .engine import Command, Engine, Request
from .errors import CommandError, ErrorCode
from .indexes import Index, parse_index
from .query import matching
from .store import ID_INDEX, Collection, Namespace, Store
from .values import Document, encode


def _list_databases(engine: Engine, request: Request) -> Document:
    store, brief = engine.store, request.flag("nameOnly")
    rows = [_database_row(store, name, brief=brief) for name in store.database_names]
    databases = list(matching(request.document("filter"), rows))
    if brief:
        return {"databases": databases}
    return {"databases": databases, "totalSize": sum(row["sizeOnDisk"] for row in databases)}


def _database_row(store: Store, name: str, *, brief: bool) -> Document:
    if brief:
        return {"name": name}
    collections = store.collections(name).values()
    size = sum(len(encode(document)) for c in collections for document in c.documents.values())
    return {"name": name, "sizeOnDisk": size, "empty": size == 0}


def _drop_database(engine: Engine, request: Request) -> Document:
    for name in list(engine.store.collections(request.database)):
        engine.store.drop(Namespace(request.database, name))
    return {"dropped": request.database}


def _list_collections(engine: Engine, request: Request) -> Document:
    rows = [_collection_row(name) for name in engine.store.collections(request.database)]
    selected = matching(request.document("filter"), rows)
    if request.flag("nameOnly"):
        selected = ({"name": row["name"], "type": row["type"]} for row in selected)
    return _catalog_cursor(engine, request, "$cmd.listCollections", list(selected))


def _collection_row(name: str) -> Document:
    return {
        "name": name,
        "type": "collection",
        "options": {},
        "info": {"readOnly": False},
        "idIndex": ID_INDEX,
    }


def _create(engine: Engine, request: Request) -> Document:
    namespace = request.namespace
    if engine.store.collection(namespace) is not None:
        raise CommandError(ErrorCode.NamespaceExists, f"Collection {namespace} already exists.")
    engine.store.create(namespace)
    return {}


def _drop(engine: Engine, request: Request) -> Document:
    indexes = len(_existing(engine.store, request.namespace).indexes) + 1
    engine.store.drop(request.namespace)
    return {"nIndexesWas": indexes, "ns": str(request.namespace)}


def _create_indexes(engine: Engine, request: Request) -> Document:
    namespace, store = request.namespace, engine.store
    wanted = [parse_index(spec) for spec in request.array("indexes")]
    created = store.collection(namespace) is None
    before = len((store.collection(namespace) or Collection()).indexes) + 1
    for index in wanted:
        existing = (store.collection(namespace) or Collection()).indexes
        if index.key != {"_id": 1} and not _already_there(existing, index):
            store.create_index(namespace, index)
    after = len(_existing(store, namespace).indexes) + 1 if store.collection(namespace) else 1
    reply = {
        "numIndexesBefore": before,
        "numIndexesAfter": after,
        "createdCollectionAutomatically": created,
    }
    return reply if after > before else {**reply, "note": "all indexes already exist"}


def _already_there(existing: dict[str, Index], wanted: Index) -> bool:
    """Whether the very same index exists; another one of its name or key is an error."""
    for index in existing.values():
        same_key = list(index.key.items()) == list(wanted.key.items())
        if index.name == wanted.name and index.spec != wanted.spec:
            raise CommandError(
                ErrorCode.IndexKeySpecsConflict,
                "An existing index has the same name as the requested index but differs: "
                f"{index.name}",
            )
        if index.name != wanted.name and same_key:
            raise CommandError(
                ErrorCode.IndexOptionsConflict,
                f"Index already exists with a different name: {index.name}",
            )
        if index.name == wanted.name and same_key:
            return True
    return False


def _list_indexes(engine: Engine, request: Request) -> Document:
    indexes = _existing(engine.store, request.namespace).indexes.values()
    specs = [ID_INDEX, *(index.spec for index in indexes)]
    return _catalog_cursor(engine, request, request.namespace.collection, specs)


def _drop_indexes(engine: Engine, request: Request) -> Document:
    namespace = request.namespace
    indexes = _existing(engine.store, namespace).indexes
    before = len(indexes) + 1
    target = request.body.get("index")
    names = list(indexes) if target == "*" else _named_indexes(indexes, target)
    for name in names:
        engine.store.drop_index(namespace, name)
    return {"nIndexesWas": before}


def _named_indexes(indexes: dict[str, Index], target: Any) -> list[str]:
    names = []
    for wanted in target if isinstance(target, list) else [target]:
        if wanted in ("_id_", {"_id": 1}):
            raise CommandError(ErrorCode.InvalidOptions, "cannot drop _id index")
        found = [name for name, index in indexes.items() if wanted in (name, index.key)]
        if not found:
            raise CommandError(ErrorCode.IndexNotFound, f"index not found with name [{wanted}]")
        names += found
    return names


def _existing(store: Store, namespace: Namespace) -> Collection:
    collection = store.collection(namespace)
    if collection is None:
        raise CommandError(ErrorCode.NamespaceNotFound, f"ns not found: {namespace}")
    return collection


def _catalog_cursor(
    engine: Engine, request: Request, collection: str, rows: list[Document]
) -> Document:
    size = Request(body={"cursor": 1, **request.document("cursor")}).count("batchSize")
    namespace = f"{request.database}.{collection}"
    return engine.cursors.open(namespace, rows, batch_size=size)


COMMANDS: Final = {
    "listDatabases": Command(_list_databases, fields="nameOnly filter authorizedDatabases"),
    "dropDatabase": Command(_drop_database),
    "listCollections": Command(
        _list_collections, fields="nameOnly filter cursor", ignored="authorizedCollections"
    ),
    "create": Command(
        _create,
        refused="capped size max timeseries expireAfterSeconds clusteredIndex validator viewOn "
        "pipeline collation changeStreamPreAndPostImages encryptedFields storageEngine "
        "indexOptionDefaults validationLevel validationAction autoIndexId",
    ),
    "drop": Command(_drop),
    "createIndexes": Command(_create_indexes, fields="indexes", ignored="commitQuorum"),
    "listIndexes": Command(_list_indexes, fields="cursor"),
    "dropIndexes": Command(_drop_indexes, fields="index"),
}
