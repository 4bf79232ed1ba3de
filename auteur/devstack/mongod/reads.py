"""Commands that read: find and its cursors, count, distinct, aggregate."""

import itertools
from collections.abc import Iterator
from typing import Final

from .aggregate import run_pipeline
from .cursors import FIRST_BATCH
from .engine import Command, Engine, Request
from .errors import CommandError, ErrorCode, not_implemented
from .projection import KEEP_ALL, parse_projection
from .query import distinct, ordered
from .store import parse_namespace
from .values import Document


def _find(engine: Engine, request: Request) -> Document:
    spec = request.document("projection")
    projection = parse_projection(spec) if spec else KEEP_ALL
    documents = _selected(engine, request, query="filter")
    return engine.cursors.open(
        str(request.namespace),
        map(projection.apply, documents) if spec else documents,
        batch_size=request.count("batchSize", FIRST_BATCH),
        single_batch=request.flag("singleBatch"),
    )


def _get_more(engine: Engine, request: Request) -> Document:
    namespace = f"{request.database}.{request.text('collection')}"
    size = request.count("batchSize")
    # Zero stands for "no limit" here, other than in find.
    return engine.cursors.get_more(
        request.count("getMore") or 0, namespace, batch_size=size or None
    )


def _kill_cursors(engine: Engine, request: Request) -> Document:
    parse_namespace(request.database, request.body["killCursors"])
    cursor_ids = request.array("cursors")
    if not all(isinstance(cursor_id, int) for cursor_id in cursor_ids):
        raise CommandError(ErrorCode.TypeMismatch, "killCursors takes an array of cursor ids")
    killed, unknown = engine.cursors.kill(cursor_ids)
    return {
        "cursorsKilled": killed,
        "cursorsNotFound": unknown,
        "cursorsAlive": [],
        "cursorsUnknown": [],
    }


def _count(engine: Engine, request: Request) -> Document:
    return {"n": sum(1 for _ in _selected(engine, request, query="query"))}


def _distinct(engine: Engine, request: Request) -> Document:
    documents = engine.store.find(request.namespace, request.document("query"))
    return {"values": distinct(documents, request.text("key"))}


def _aggregate(engine: Engine, request: Request) -> Document:
    if not isinstance(request.body["aggregate"], str):
        raise not_implemented("an aggregation over no collection")
    if "cursor" not in request.body:
        raise CommandError(
            ErrorCode.FailedToParse,
            "The 'cursor' option is required, except for aggregate with the explain argument",
        )
    namespace = request.namespace
    pipeline = request.array("pipeline")
    match pipeline:
        # The first $match goes to the collection, which may answer from an index.
        case [{"$match": dict(query), **others}, *rest] if not others:
            documents = list(engine.store.find(namespace, query))
        case _:
            documents, rest = list(engine.store.find(namespace, {})), pipeline
    options = Request(body={"cursor": 1, **request.document("cursor")})
    return engine.cursors.open(
        str(namespace),
        run_pipeline(documents, rest),
        batch_size=options.count("batchSize", FIRST_BATCH),
    )


def _selected(engine: Engine, request: Request, *, query: str) -> Iterator[Document]:
    """What the query, sort, skip and limit of a command select, as of now."""
    documents = engine.store.find(request.namespace, request.document(query))
    if sort := request.document("sort"):
        documents = iter(ordered(documents, sort))
    start, limit = request.count("skip", 0) or 0, request.count("limit")
    # A list, since the collection changes while a cursor is open.
    return iter(list(itertools.islice(documents, start, start + limit if limit else None)))


COMMANDS: Final = {
    "find": Command(
        _find,
        fields="filter projection sort skip limit batchSize singleBatch",
        ignored="hint allowDiskUse noCursorTimeout allowPartialResults oplogReplay",
        refused="collation let max min returnKey showRecordId tailable awaitData",
    ),
    "getMore": Command(_get_more, fields="collection batchSize"),
    "killCursors": Command(_kill_cursors, fields="cursors"),
    "count": Command(_count, fields="query skip limit", ignored="hint fields", refused="collation"),
    "distinct": Command(_distinct, fields="key query", ignored="hint", refused="collation"),
    "aggregate": Command(
        _aggregate,
        fields="pipeline cursor",
        ignored="hint allowDiskUse bypassDocumentValidation",
        refused="collation let explain",
    ),
}
