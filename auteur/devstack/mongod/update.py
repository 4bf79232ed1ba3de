"""Updates: from a document and what MongoDB's operators ask for to a new document."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, cast

from bson import Int64

from .errors import Code, CommandError, not_implemented
from .query import is_operators, parse_condition, parse_query
from .values import MISSING, Document, changed_at, is_number

_INT32: Final = range(-(2**31), 2**31)
_INT64: Final = range(-(2**63), 2**63)


def updated(document: Document, spec: Document) -> Document:
    """The next document, by operators or by a replacement; the one before stays as it is."""
    if not isinstance(spec, dict):
        raise not_implemented("an update by a pipeline")
    if not is_operators(spec):
        return {"_id": document["_id"], **spec}
    steps = list(_steps(spec))
    for (_, shorter, _), (_, longer, _) in itertools.pairwise(sorted(steps, key=lambda s: s[1])):
        if longer[: len(shorter)] == shorter:
            both = f"'{'.'.join(longer)}' and '{'.'.join(shorter)}' conflict"
            raise CommandError(Code.ConflictingUpdateOperators, both)
    for name, path, argument in steps:
        document = changed_at(document, path, partial(_OPERATORS[name], argument))
    return document


def _steps(spec: Document) -> Iterator[tuple[str, list[str], Any]]:
    for name, fields in spec.items():
        if name not in _OPERATORS:
            raise not_implemented(f"the update operator {name}")
        if not isinstance(fields, dict):
            raise CommandError(Code.FailedToParse, f"{name} needs an object of fields")
        for path, argument in fields.items():
            yield name, _parse_path(path), argument


def _parse_path(path: str) -> list[str]:
    parts = path.split(".")
    if not all(parts):
        raise CommandError(Code.EmptyFieldName, f"'{path}' contains an empty field name")
    if any(part.startswith("$") for part in parts):
        raise not_implemented(f"the operator in the path {path}")
    return parts


def _set(argument: Any, _old: Any) -> Any:
    return argument


def _unset(_argument: Any, _old: Any) -> Any:
    return MISSING


def _increment(argument: Any, old: Any) -> Any:
    old = 0 if old is MISSING else old
    if not is_number(old) or not is_number(argument):
        raise CommandError(Code.TypeMismatch, "Cannot apply $inc to a value of non-numeric type")
    result = old + argument
    if isinstance(result, float):
        return result
    if result not in _INT64:
        raise CommandError(Code.BadValue, f"The result {result} does not fit into 64 bits")
    wide = isinstance(old, Int64) or isinstance(argument, Int64) or result not in _INT32
    return Int64(result) if wide else result


def _push(argument: Any, old: Any) -> Any:
    each = isinstance(argument, dict) and "$each" in argument
    modifiers = argument if each else {"$each": [argument]}
    if unknown := modifiers.keys() - {"$each", "$position", "$slice"}:
        raise not_implemented(f"the $push modifier {unknown.pop()}")
    array = _array(old)
    added, place = modifiers["$each"], modifiers.get("$position", len(array))
    limit = modifiers.get("$slice")
    if not (isinstance(added, list) and isinstance(place, int) and isinstance(limit, int | None)):
        raise CommandError(Code.BadValue, "$push takes an array and integers")
    result = [*array[:place], *added, *array[place:]]
    if limit is None:
        return result
    return result[:limit] if limit >= 0 else result[limit:]


def _pull(argument: Any, old: Any) -> Any:
    if old is MISSING:
        return MISSING
    if isinstance(argument, dict) and not is_operators(argument):
        query = parse_query(argument)
        return [e for e in _array(old) if not (isinstance(e, dict) and query(e))]
    condition = parse_condition(argument)
    return [element for element in _array(old) if not condition([element])]


def _pop(argument: Any, old: Any) -> Any:
    if argument not in (1, -1):
        raise CommandError(Code.FailedToParse, f"$pop expects 1 or -1, found: {argument}")
    if old is MISSING:
        return MISSING
    return _array(old)[:-1] if argument == 1 else _array(old)[1:]


def _array(old: Any) -> list[Any]:
    if old is not MISSING and not isinstance(old, list):
        raise CommandError(Code.BadValue, "an operator of arrays needs an array")
    return [] if old is MISSING else cast("list[Any]", old)


_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "$set": _set,
    "$unset": _unset,
    "$inc": _increment,
    "$push": _push,
    "$pull": _pull,
    "$pop": _pop,
}
