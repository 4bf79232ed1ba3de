"""Aggregation pipelines: our own stages where documents are large, mongomock's expressions."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from mongomock import aggregate as mongomock_aggregate

from .errors import CommandError, ErrorCode, not_implemented
from .paths import parse_path, replaced_at, value_at
from .query import matching, mongomock_errors, ordered
from .values import MISSING, Document

Stage = Callable[[list[Document], Any], list[Document]]

# `$addToSet` is left out: mongomock's turns 0 and "" into null.
_ACCUMULATORS: Final = frozenset({"$sum", "$avg", "$min", "$max", "$first", "$last", "$push"})
_UPDATE_STAGES: Final = frozenset({"$addFields", "$set", "$project", "$replaceRoot"})
_STAGES_ELSEWHERE: Final = frozenset(
    {
        "$bucket",
        "$bucketAuto",
        "$changeStream",
        "$collStats",
        "$densify",
        "$documents",
        "$facet",
        "$fill",
        "$geoNear",
        "$graphLookup",
        "$indexStats",
        "$lookup",
        "$merge",
        "$out",
        "$redact",
        "$replaceWith",
        "$sample",
        "$setWindowFields",
        "$sortByCount",
        "$unionWith",
        "$unset",
    }
)


def run_pipeline(documents: Iterable[Document], pipeline: list[Any]) -> list[Document]:
    """The result of a pipeline over documents, which it does not mutate."""
    stages = [_parse_stage(stage) for stage in pipeline]
    result = list(documents)
    for name, argument in stages:
        result = _STAGES[name](result, argument)
    return result


def run_update_pipeline(document: Document, pipeline: list[Any]) -> Document:
    """The document that an update in the form of a pipeline makes of another."""
    for name, _ in map(_parse_stage, pipeline):
        if name not in _UPDATE_STAGES:
            raise CommandError(
                ErrorCode.InvalidOptions, f"{name} is not allowed to be used within an update"
            )
    (result,) = run_pipeline([document], pipeline)
    return {"_id": document["_id"], **result} if "_id" in document else result


def _parse_stage(stage: Any) -> tuple[str, Any]:
    if not isinstance(stage, dict) or len(stage) != 1:
        raise CommandError(
            ErrorCode.Location40323,
            "A pipeline stage specification object must contain exactly one field.",
        )
    ((name, argument),) = stage.items()
    if name in _STAGES:
        return name, argument
    if name in _STAGES_ELSEWHERE:
        raise not_implemented(f"the pipeline stage {name}")
    raise CommandError(ErrorCode.Location40324, f"Unrecognized pipeline stage name: '{name}'")


def _match(documents: list[Document], query: Any) -> list[Document]:
    return list(matching(_object(query, "$match"), documents))


def _sort(documents: list[Document], pattern: Any) -> list[Document]:
    return ordered(documents, _object(pattern, "$sort"))


def _skip(documents: list[Document], count: Any) -> list[Document]:
    return documents[_count_of(count, "$skip", least=0) :]


def _limit(documents: list[Document], count: Any) -> list[Document]:
    return documents[: _count_of(count, "$limit", least=1)]


def _count(documents: list[Document], name: Any) -> list[Document]:
    if not isinstance(name, str) or not name or name.startswith("$") or "." in name:
        raise CommandError(
            ErrorCode.BadValue, "the count field must be a non-empty string without $ or '.'"
        )
    return [{name: len(documents)}] if documents else []


def _unwind(documents: list[Document], argument: Any) -> list[Document]:
    options = argument if isinstance(argument, dict) else {"path": argument}
    path = options.get("path")
    if not isinstance(path, str) or not path.startswith("$"):
        raise CommandError(ErrorCode.BadValue, "$unwind takes a path that starts with '$'")
    return [row for document in documents for row in _unwound(document, path[1:], options)]


def _unwound(document: Document, path: str, options: Document) -> list[Document]:
    parts = parse_path(path)
    value = value_at(document, parts)
    if value is MISSING or value is None or value == []:
        if not options.get("preserveNullAndEmptyArrays"):
            return []
        empty = MISSING if value == [] else value
        return [_with_index(replaced_at(document, parts, empty), None, options)]
    if not isinstance(value, list):
        return [_with_index(document, None, options)]
    return [
        _with_index(replaced_at(document, parts, item), index, options)
        for index, item in enumerate(value)
    ]


def _with_index(document: Document, index: int | None, options: Document) -> Document:
    name = options.get("includeArrayIndex")
    if not name:
        return document
    return replaced_at(document, parse_path(name), index)


def _group(documents: list[Document], spec: Any) -> list[Document]:
    if "_id" not in _object(spec, "$group"):
        raise CommandError(ErrorCode.BadValue, "a group specification must include an _id")
    for name, accumulator in spec.items():
        if name != "_id" and not _ACCUMULATORS.issuperset(_object(accumulator, name)):
            raise not_implemented(f"the accumulator of '{name}'")
    return _delegate("$group", documents, spec) if documents else []


def _project(documents: list[Document], spec: Any) -> list[Document]:
    for path, value in _object(spec, "$project").items():
        # mongomock takes a nested specification for a literal, and flattens computed paths.
        nested = isinstance(value, dict) and not next(iter(value), "").startswith("$")
        computed = not isinstance(value, bool | int | float)
        if nested or ("." in path and computed):
            raise not_implemented(f"the $project of '{path}' by a nested specification")
    return _delegate("$project", documents, spec)


def _add_fields(documents: list[Document], spec: Any) -> list[Document]:
    if dotted := [path for path in _object(spec, "$set") if "." in path]:
        raise not_implemented(f"the pipeline stage $set of the dotted path '{dotted[0]}'")
    return _delegate("$addFields", documents, spec)


def _replace_root(documents: list[Document], spec: Any) -> list[Document]:
    return _delegate("$replaceRoot", documents, _object(spec, "$replaceRoot"))


def _delegate(name: str, documents: list[Document], argument: Any) -> list[Document]:
    with mongomock_errors():
        return list(mongomock_aggregate.process_pipeline(documents, None, [{name: argument}], None))


def _object(value: Any, name: str) -> Document:
    if not isinstance(value, dict):
        raise CommandError(ErrorCode.TypeMismatch, f"the {name} specification must be an object")
    return value


def _count_of(value: Any, name: str, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
        raise CommandError(ErrorCode.FailedToParse, f"{name} takes an integer")
    if value < least:
        raise CommandError(ErrorCode.Location15958, f"{name} must be at least {least}")
    return int(value)


_STAGES: Final[dict[str, Stage]] = {
    "$match": _match,
    "$sort": _sort,
    "$skip": _skip,
    "$limit": _limit,
    "$count": _count,
    "$unwind": _unwind,
    "$group": _group,
    "$project": _project,
    "$addFields": _add_fields,
    "$set": _add_fields,
    "$replaceRoot": _replace_root,
}
