"""Commands that write documents: insert, update, delete."""

from collections.abc import Callable
from typing import Any

from bson import ObjectId

from .errors import Code, CommandError, refuse_unknown
from .store import Store
from .update import updated
from .values import Document, key_of


def insert(store: Store, namespace: str, command: Document) -> Document:
    """Store documents."""

    def insert_one(reply: Document, document: Document) -> None:
        store.insert(namespace, {"_id": ObjectId(), **document})
        reply["n"] += 1

    return _run(command, "documents", insert_one)


def update(store: Store, namespace: str, command: Document) -> Document:
    """Change documents, one statement after the other."""

    def update_one(reply: Document, statement: Document) -> None:
        refuse_unknown(statement, "q u multi", of="update")
        found = store.find(namespace, statement["q"])
        for old in found if statement.get("multi") else found[:1]:
            new = updated(old.document, statement["u"])
            if key_of(new.get("_id")) != key_of(old.document["_id"]):
                raise CommandError(Code.ImmutableField, "an update would modify the field '_id'")
            reply["n"] += 1
            reply["nModified"] += store.replace(namespace, old, new)

    return _run(command, "updates", update_one)


def delete(store: Store, namespace: str, command: Document) -> Document:
    """Remove documents, one statement after the other."""

    def delete_one(reply: Document, statement: Document) -> None:
        refuse_unknown(statement, "q limit", of="delete")
        found = store.find(namespace, statement["q"])
        for stored in found[:1] if statement["limit"] else found:
            store.delete(namespace, stored)
            reply["n"] += 1

    return _run(command, "deletes", delete_one)


def _run(command: Document, field: str, run: Callable[[Document, Any], None]) -> Document:
    """The reply of statements that each add to it; where ordered, the first error ends them."""
    reply: Document = {"n": 0, "nModified": 0}
    for index, statement in enumerate(command[field]):
        try:
            run(reply, statement)
        except CommandError as error:
            reply.setdefault("writeErrors", []).append({"index": index, **error.reply})
            if command.get("ordered", True):
                break
    return reply
