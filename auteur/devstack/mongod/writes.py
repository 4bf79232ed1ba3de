"""Commands that write documents: insert, update, delete, findAndModify."""

from collections.abc import Callable
from typing import Any, Final

from bson import ObjectId, Regex

from .engine import Command, Engine, Request
from .errors import CommandError, ErrorCode, not_implemented
from .projection import parse_projection
from .query import ordered
from .store import Namespace, Store
from .update import Update, updated, upserted
from .values import MISSING, Document, type_name

MAX_BATCH: Final = 100_000

_UPDATE_FIELDS: Final = {"q", "u", "multi", "upsert", "arrayFilters", "hint"}
_DELETE_FIELDS: Final = {"q", "limit", "hint"}


def _insert(engine: Engine, request: Request) -> Document:
    namespace = request.namespace

    def insert_one(_index: int, document: Any) -> None:
        engine.store.insert(namespace, _with_id(document))

    done, errors = _run_batch(request, "documents", insert_one)
    return _write_reply({"n": done}, errors)


def _update(engine: Engine, request: Request) -> Document:
    namespace = request.namespace
    totals = {"n": 0, "nModified": 0}
    inserted: list[Document] = []

    def update_one(index: int, statement: Any) -> None:
        matched, modified, upserted_id = _run_update(engine.store, namespace, statement)
        totals["n"] += matched
        totals["nModified"] += modified
        if upserted_id is not MISSING:
            inserted.append({"index": index, "_id": upserted_id})

    _, errors = _run_batch(request, "updates", update_one)
    reply = {**totals, "upserted": inserted} if inserted else {**totals}
    return _write_reply(reply, errors)


def _delete(engine: Engine, request: Request) -> Document:
    namespace = request.namespace
    totals = {"n": 0}

    def delete_one(_index: int, statement: Any) -> None:
        _check_statement(statement, _DELETE_FIELDS)
        if (limit := statement.get("limit")) not in (0, 1):
            raise CommandError(
                ErrorCode.FailedToParse, f"The limit field in delete must be 0 or 1. Got {limit}"
            )
        for document in _targets(engine.store, namespace, statement["q"], multi=not limit):
            engine.store.delete(namespace, document)
            totals["n"] += 1

    _, errors = _run_batch(request, "deletes", delete_one)
    return _write_reply({**totals}, errors)


def _find_and_modify(engine: Engine, request: Request) -> Document:
    """Change or remove the first match and return it, as it was or (`new`) as it became."""
    namespace, query = request.namespace, request.document("query")
    removing, returning_new = request.flag("remove"), request.flag("new")
    if removing == ("update" in request.body):
        raise CommandError(
            ErrorCode.FailedToParse, "Either an update or remove=true must be specified"
        )
    if removing and (returning_new or request.flag("upsert")):
        raise CommandError(
            ErrorCode.FailedToParse, "Cannot specify both new=true or upsert=true and remove=true"
        )
    # Before anything is written: a malformed projection must not fail a change already made.
    parse_projection(request.document("fields"))
    found = ordered(engine.store.find(namespace, query), request.document("sort"))
    old = found[0] if found else None
    if removing:
        if old is not None:
            engine.store.delete(namespace, old)
        return _modified({"n": int(old is not None)}, old, request)
    return _find_and_update(engine.store, request, old)


def _find_and_update(store: Store, request: Request, old: Document | None) -> Document:
    change = _parse_update(request.document("query"), request.body["update"], request)
    if old is None and not request.flag("upsert"):
        return _modified({"n": 0, "updatedExisting": False}, None, request)
    outcome: Document = {"n": 1, "updatedExisting": old is not None}
    if old is None:
        new = _with_id(upserted(change))
        store.insert(request.namespace, new)
        outcome["upserted"] = new["_id"]
    elif (new := updated(old, change)) is not old:
        store.replace(request.namespace, new)
    return _modified(outcome, new if request.flag("new") else old, request)


def _modified(outcome: Document, value: Document | None, request: Request) -> Document:
    if value is not None and (spec := request.document("fields")):
        value = parse_projection(spec).apply(value)
    return {"lastErrorObject": outcome, "value": value}


def _run_update(store: Store, namespace: Namespace, statement: Any) -> tuple[int, int, Any]:
    """Run one update statement; returns matched, modified and the upserted id or MISSING."""
    _check_statement(statement, _UPDATE_FIELDS)
    multi = bool(statement.get("multi"))
    change = _parse_update(statement["q"], statement.get("u"), Request(body=statement))
    if multi and change.is_replacement:
        raise CommandError(
            ErrorCode.FailedToParse, "multi update is not supported for replacement-style update"
        )
    targets = _targets(store, namespace, change.query, multi=multi)
    if not targets and statement.get("upsert"):
        document = _with_id(upserted(change))
        store.insert(namespace, document)
        return 1, 0, document["_id"]
    modified = 0
    for old in targets:
        if (new := updated(old, change)) is not old:
            store.replace(namespace, new)
            modified += 1
    return len(targets), modified, MISSING


def _parse_update(query: Document, spec: Any, request: Request) -> Update:
    if not isinstance(spec, dict | list):
        raise CommandError(
            ErrorCode.FailedToParse, "Update argument must be either an object or an array"
        )
    return Update(query=query, spec=spec, array_filters=request.array("arrayFilters"))


def _targets(store: Store, namespace: Namespace, query: Document, *, multi: bool) -> list[Document]:
    found = store.find(namespace, query)
    if multi:
        return list(found)
    first = next(found, None)
    return [] if first is None else [first]


def _run_batch(
    request: Request, field: str, run: Callable[[int, Any], None]
) -> tuple[int, list[Document]]:
    """Run each statement of a write command; an ordered one stops at its first error."""
    statements = request.array(field)
    if not 1 <= len(statements) <= MAX_BATCH:
        raise CommandError(
            ErrorCode.InvalidLength,
            f"Write batch sizes must be between 1 and {MAX_BATCH}. Got {len(statements)} "
            "operations.",
        )
    done, errors = 0, []
    for index, statement in enumerate(statements):
        try:
            run(index, statement)
        except CommandError as error:
            errors.append(error.as_write_error(index))
            if request.flag("ordered", default=True):
                break
        else:
            done += 1
    return done, errors


def _write_reply(reply: Document, errors: list[Document]) -> Document:
    return {**reply, "writeErrors": errors} if errors else reply


def _check_statement(statement: Any, fields: set[str]) -> None:
    if not isinstance(statement, dict) or not isinstance(statement.get("q"), dict):
        raise CommandError(ErrorCode.TypeMismatch, "a write statement needs an object 'q'")
    if unknown := statement.keys() - fields:
        raise not_implemented(f"the statement field '{unknown.pop()}'")


def _with_id(document: Any) -> Document:
    """The document with a valid `_id`, generated when it has none, as its first field."""
    if not isinstance(document, dict):
        raise CommandError(
            ErrorCode.TypeMismatch, f"a document is of type {type_name(document)}, not an object"
        )
    identifier = document.get("_id", MISSING)
    if isinstance(identifier, list | Regex):
        raise CommandError(
            ErrorCode.InvalidIdField,
            f"The '_id' value cannot be of type {type_name(identifier)}",
        )
    return {"_id": ObjectId() if identifier is MISSING else identifier, **document}


COMMANDS: Final = {
    "insert": Command(_insert, fields="documents ordered", ignored="bypassDocumentValidation"),
    "update": Command(
        _update, fields="updates ordered", ignored="bypassDocumentValidation", refused="let"
    ),
    "delete": Command(_delete, fields="deletes ordered", refused="let"),
    "findAndModify": Command(
        _find_and_modify,
        fields="query sort remove update new fields upsert arrayFilters",
        ignored="hint bypassDocumentValidation",
        refused="collation let",
    ),
}
