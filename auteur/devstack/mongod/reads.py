"""Commands that read: find, count, aggregate."""

from collections.abc import Callable
from typing import Any, Final

from bson import Int64
from bson.raw_bson import RawBSONDocument

from .errors import not_implemented
from .query import parse_projection, parse_query
from .store import Store
from .values import Document


def find(store: Store, namespace: str, command: Document) -> Document:
    """All documents that are selected, in one batch."""
    found = store.find(namespace, command.get("filter", {}))[_window(command)]
    if spec := command.get("projection"):
        projection = parse_projection(spec)
        return in_one_batch(namespace, [projection(stored.document) for stored in found])
    return in_one_batch(namespace, [RawBSONDocument(stored.raw) for stored in found])


def count(store: Store, namespace: str, command: Document) -> Document:
    """How many documents a query selects."""
    return {"n": len(store.find(namespace, command.get("query", {}))[_window(command)])}


def aggregate(store: Store, namespace: str, command: Document) -> Document:
    """The documents that come out of a pipeline; ``$group`` does no more than drivers count by."""
    stages = [stage for entry in command["pipeline"] for stage in entry.items()]
    if unknown := [name for name, _ in stages if name not in _STAGES]:
        raise not_implemented(f"the pipeline stage {unknown[0]}")
    query = stages.pop(0)[1] if stages and stages[0][0] == "$match" else {}
    documents = [stored.document for stored in store.find(namespace, query)]
    for name, argument in stages:
        documents = _STAGES[name](documents, argument)
    return in_one_batch(namespace, documents)


def in_one_batch(namespace: str, documents: list[Any]) -> Document:
    """The reply of commands that answer with a cursor: all at once, with nothing left to fetch."""
    return {"cursor": {"id": Int64(0), "ns": namespace, "firstBatch": documents}}


def _window(command: Document) -> slice:
    skip, limit = command.get("skip", 0), command.get("limit", 0)
    return slice(skip, skip + limit if limit else None)


def _grouped(documents: list[Document], spec: Any) -> list[Document]:
    match spec:
        case {"_id": None | int() as group, "n": {"$sum": 1}}:
            return [{"_id": group, "n": len(documents)}] if documents else []
    raise not_implemented(f"the $group {spec!r}")


_STAGES: Final[dict[str, Callable[[list[Document], Any], list[Document]]]] = {
    "$match": lambda documents, query: list(filter(parse_query(query), documents)),
    "$project": lambda documents, spec: list(map(parse_projection(spec), documents)),
    "$skip": lambda documents, number: documents[number:],
    "$limit": lambda documents, number: documents[:number],
    "$group": _grouped,
}
