"""From a command to its reply: which there are, what each takes, how errors are told."""

import logging
from collections.abc import Callable
from typing import Final

from . import reads, writes
from .errors import Code, CommandError, not_implemented, refuse_unknown
from .store import Store
from .values import MAX_DOCUMENT_BYTES, Document
from .wire import MAX_MESSAGE_BYTES

logger = logging.getLogger(__name__)

Handler = Callable[[Store, str, Document], Document]

# Every command takes these; what a read concern promises, one command at a time keeps anyway.
_GENERIC: Final = "$db $readPreference readConcern writeConcern comment maxTimeMS"


def execute(store: Store, command: Document, *, legacy: bool = False) -> Document:
    """The reply to a command; an error is a reply too, never an exception."""
    name = next(iter(command))
    try:
        if name in ("hello", "isMaster", "ismaster"):
            return _hello(name)
        if legacy:
            raise CommandError(Code.UnsupportedOpQueryCommand, f"{name} as an OP_QUERY")
        return {**_run(store, name, command), "ok": 1.0}
    except CommandError as error:
        return error.reply
    except Exception:
        logger.exception("command %s failed", name)
        return CommandError(Code.InternalError, "internal error, see the log").reply


def _run(store: Store, name: str, command: Document) -> Document:
    if name not in _COMMANDS:
        raise CommandError(Code.CommandNotFound, f"no such command: '{name}'")
    handle, known = _COMMANDS[name]
    refuse_unknown(command, f"{name} {_GENERIC} {known}", of=name)
    concern = command.get("writeConcern", {})
    if concern.get("j") or concern.get("w", 1) not in (0, 1, "majority"):
        raise not_implemented(f"the write concern {concern!r}")
    of_collection = isinstance(command[name], str)
    target = f"{command['$db']}.{command[name]}" if of_collection else command["$db"]
    return handle(store, target, command)


def _hello(name: str) -> Document:
    """The handshake of a writable standalone server without compression or authentication."""
    return {
        "helloOk": True,
        "isWritablePrimary" if name == "hello" else "ismaster": True,
        "maxBsonObjectSize": MAX_DOCUMENT_BYTES,
        "maxMessageSizeBytes": MAX_MESSAGE_BYTES,
        "maxWriteBatchSize": 100_000,
        "minWireVersion": 0,
        "maxWireVersion": 17,  # of MongoDB 6.0, whose commands these are
        "ok": 1.0,
    }


def _build_info(_store: Store, _database: str, _command: Document) -> Document:
    return {"version": "6.0.0", "versionArray": [6, 0, 0, 0], "modules": ["auteur-embedded"]}


def _list_collections(store: Store, database: str, _command: Document) -> Document:
    rows = [{"name": name, "type": "collection"} for name in store.names(database)]
    return reads.in_one_batch(f"{database}.$cmd.listCollections", rows)


def _list_indexes(store: Store, namespace: str, _command: Document) -> Document:
    return reads.in_one_batch(namespace, _indexes(store, namespace))


def _indexes(store: Store, namespace: str) -> list[Document]:
    if namespace not in store.collections:
        raise CommandError(Code.NamespaceNotFound, f"ns not found: {namespace}")
    return [index.spec for index in store.collections[namespace].indexes]


def _create_indexes(store: Store, namespace: str, command: Document) -> Document:
    store.create(namespace)
    before = len(_indexes(store, namespace))
    for wanted in command["indexes"]:
        refuse_unknown(wanted, "key name unique background v", of="an index")
        if kinds := [kind for kind in wanted["key"].values() if kind not in (1, -1)]:
            raise not_implemented(f"an index of type {kinds[0]!r}")
        unique = {"unique": True} if wanted.get("unique") else {}
        spec = {"v": 2, "key": wanted["key"], "name": wanted["name"], **unique}
        store.create_index(namespace, spec)
    return {"numIndexesBefore": before, "numIndexesAfter": len(_indexes(store, namespace))}


def _drop_database(store: Store, database: str, _command: Document) -> Document:
    for name in store.names(database):
        store.drop(f"{database}.{name}")
    return {"dropped": database}


_COMMANDS: Final[dict[str, tuple[Handler, str]]] = {
    "find": (reads.find, "filter projection skip limit singleBatch"),
    "count": (reads.count, "query skip limit"),
    "aggregate": (reads.aggregate, "pipeline cursor"),
    "insert": (writes.insert, "documents ordered"),
    "update": (writes.update, "updates ordered"),
    "delete": (writes.delete, "deletes ordered"),
    "createIndexes": (_create_indexes, "indexes"),
    "listIndexes": (_list_indexes, "cursor"),
    "listCollections": (_list_collections, "cursor nameOnly authorizedCollections"),
    "dropDatabase": (_drop_database, ""),
    "buildInfo": (_build_info, ""),
    "buildinfo": (_build_info, ""),
    "ping": (lambda *_: {}, ""),
}
