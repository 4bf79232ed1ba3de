"""Update documents: from an old document and an update to a new document, mutating neither."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from .aggregate import run_update_pipeline
from .errors import CommandError, ErrorCode
from .operators import OPERATORS, set_value
from .paths import Path, changed_at, parse_path, replaced_at, value_at
from .positional import ArrayFilters, expand
from .values import MISSING, SCALARS, Document, encode, type_name


@dataclass(frozen=True, kw_only=True)
class Update:
    """One parsed `u`: the replacement, pipeline or operators, and what they refer to."""

    query: Document
    spec: Document | list[Any]
    array_filters: list[Any] = field(default_factory=list)

    @property
    def is_replacement(self) -> bool:
        """Whether `spec` is a whole document rather than operators or a pipeline."""
        return isinstance(self.spec, dict) and not next(iter(self.spec), "").startswith("$")


def updated(document: Document, update: Update, *, inserting: bool = False) -> Document:
    """The document after an update; the very same object when the update changes nothing."""
    if isinstance(update.spec, list):
        result = _unless_same(document, run_update_pipeline(document, update.spec))
    elif update.is_replacement:
        result = _unless_same(document, _replaced(document, update.spec))
    else:
        result = _operated(document, update.spec, update, inserting=inserting)
    if "_id" in document and _differ(document["_id"], result.get("_id", MISSING)):
        raise CommandError(
            ErrorCode.ImmutableField,
            "Performing an update on the path '_id' would modify the immutable field '_id'",
        )
    return result


def upserted(update: Update) -> Document:
    """The document that an upsert inserts when its query finds none."""
    fixed = _equalities(update.query)
    only_id = {"_id": fixed["_id"]} if "_id" in fixed else {}
    seed = only_id if update.is_replacement else fixed
    document = updated(seed, update, inserting=True)
    return {"_id": document.get("_id", ObjectId()), **document}


def _unless_same(old: Document, new: Document) -> Document:
    return new if _differ(old, new) else old


def _differ(left: Any, right: Any) -> bool:
    if left is MISSING or right is MISSING:
        return left is not right
    return encode({"": left}) != encode({"": right})


def _replaced(document: Document, replacement: Document) -> Document:
    for name in replacement:
        if name.startswith("$"):
            raise CommandError(
                ErrorCode.DollarPrefixedFieldName,
                f"The dollar ($) prefixed field '{name}' is not allowed in a replacement",
            )
    identifier = {"_id": document["_id"]} if "_id" in document else {}
    return {**identifier, **replacement}


def _operated(document: Document, spec: Document, update: Update, *, inserting: bool) -> Document:
    steps = list(_steps(spec))
    filters = ArrayFilters(update.array_filters)
    paths = [path for _, path, _ in steps]
    filters.require(paths)
    targets = [_rename_target(argument) for name, _, argument in steps if name == "$rename"]
    _refuse_conflicts([*paths, *targets])
    result = document
    for name, path, argument in steps:
        if name == "$rename":
            result = _renamed(result, path, _rename_target(argument))
            continue
        if name == "$setOnInsert" and not inserting:
            continue
        operator = OPERATORS.get(name, set_value)
        for concrete in expand(document, path, query=update.query, filters=filters):
            result = changed_at(result, concrete, _stable(operator, argument))
    return result


def _stable(operator: Any, argument: Any) -> Any:
    """The operator as a change that keeps the old object when the value stays the same."""

    def change(old: Any) -> Any:
        new = operator(old, argument)
        return new if _differ(old, new) else old

    return change


def _steps(spec: Document) -> Iterator[tuple[str, Path, Any]]:
    for name, fields in spec.items():
        if name not in OPERATORS and name not in ("$rename", "$setOnInsert"):
            raise CommandError(
                ErrorCode.FailedToParse,
                f"Unknown modifier: {name}. Expected a valid update modifier or "
                "pipeline-style update specified as an array",
            )
        if not isinstance(fields, dict):
            raise CommandError(
                ErrorCode.FailedToParse,
                "Modifiers operate on fields but we found type "
                f"{type_name(fields)} instead of an object for {name}",
            )
        for path, argument in fields.items():
            yield name, parse_path(path), argument


def _refuse_conflicts(paths: list[Path]) -> None:
    ordered_paths = sorted(paths)
    for shorter, longer in itertools.pairwise(ordered_paths):
        if longer[: len(shorter)] == shorter:
            raise CommandError(
                ErrorCode.ConflictingUpdateOperators,
                f"Updating the path '{'.'.join(longer)}' would create a conflict at "
                f"'{'.'.join(shorter)}'",
            )


def _rename_target(argument: Any) -> Path:
    if not isinstance(argument, str):
        raise CommandError(
            ErrorCode.BadValue,
            f"The 'to' field for $rename must be a string, not of type {type_name(argument)}",
        )
    return parse_path(argument)


def _renamed(document: Document, source: Path, target: Path) -> Document:
    for path in (source, target):
        for depth in range(1, len(path)):
            if isinstance(value_at(document, path[:depth]), list):
                raise CommandError(
                    ErrorCode.BadValue,
                    f"The path '{'.'.join(path)}' of $rename cannot cross an array",
                )
    value = value_at(document, source)
    if value is MISSING:
        return document
    return replaced_at(replaced_at(document, source, MISSING), target, value)


def _equalities(query: Document) -> Document:
    """The fields that a query fixes to one value, which an upsert starts from."""
    document: Document = {}
    for path, value in _fixed(query):
        parts = parse_path(path)
        if value_at(document, parts) is not MISSING:
            raise CommandError(
                ErrorCode.NotSingleValueField,
                f"cannot infer query fields to set, path '{path}' is matched twice",
            )
        document = replaced_at(document, parts, value)
    return document


def _fixed(query: Document) -> Iterator[tuple[str, Any]]:
    for key, condition in query.items():
        if key == "$and":
            for branch in condition:
                yield from _fixed(branch)
        elif key.startswith("$"):
            continue
        elif isinstance(condition, dict) and next(iter(condition), "").startswith("$"):
            if "$eq" in condition:
                yield key, condition["$eq"]
        elif condition is None or isinstance(condition, (*SCALARS, dict, list)):
            yield key, condition
