"""Queries, sort orders and projections, each parsed before any document is looked at."""

import operator
from collections.abc import Callable
from typing import Any, Final

from bson import Regex

from .errors import Code, CommandError, not_implemented
from .values import MISSING, Document, is_number, key_of, values_at

Test = Callable[[Any], bool]

_RANGES: Final = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}


def parse_query(query: Document) -> Test:
    """Whether a document is selected; raises on an operator that is not known."""
    tests = [_parse_field(name, condition) for name, condition in query.items()]
    return lambda document: all(test(document) for test in tests)


def _parse_field(name: str, condition: Any) -> Test:
    if name in ("$and", "$or"):
        if not isinstance(condition, list) or not condition:
            raise CommandError(Code.BadValue, f"{name} must be a nonempty array")
        branches = [parse_query(branch) for branch in condition]
        holds = all if name == "$and" else any
        return lambda document: holds(branch(document) for branch in branches)
    if name.startswith("$"):
        raise not_implemented(f"the query operator {name}")
    path, test = name.split("."), parse_condition(condition)
    return lambda document: test(list(values_at(document, path)))


def parse_condition(condition: Any) -> Test:
    """Whether a list of values, those that a path leads to, satisfies a condition."""
    if not is_operators(condition):
        return _parse_operator("$eq", condition)
    tests = [_parse_operator(name, argument) for name, argument in condition.items()]
    return lambda values: all(test(values) for test in tests)


def is_operators(value: Any) -> bool:
    """Whether a value consists of operators such as {"$gt": 1}, and is none to be equal to."""
    return isinstance(value, dict) and next(iter(value), "").startswith("$")


def _parse_operator(name: str, argument: Any) -> Test:
    if name in ("$ne", "$nin"):
        found = _parse_operator("$eq" if name == "$ne" else "$in", argument)
        return lambda values: not found(values)
    if name == "$exists":
        return lambda values: any(value is not MISSING for value in values) is bool(argument)
    if name in _RANGES:
        compare, bound = _RANGES[name], key_of(argument)
        return lambda values: any(
            key[0] == bound[0] and compare(key, bound) for key in map(key_of, values)
        )
    if name not in ("$eq", "$in"):
        raise not_implemented(f"the query operator {name}")
    wanted = [argument] if name == "$eq" else argument
    if not isinstance(wanted, list) or any(isinstance(value, Regex) for value in wanted):
        raise CommandError(Code.BadValue, f"{name} needs values, not {argument!r}")
    keys = set(map(key_of, wanted))
    return lambda values: any(key_of(value) in keys for value in values)


def parse_projection(spec: Document) -> Callable[[Document], Document]:
    """The part of a document that a specification such as {"tracks.id": 1, "_id": 0} keeps."""
    rules: Document = {}
    for path, value in spec.items():
        *parents, last = path.split(".")
        level = rules
        for name in parents:
            level = level.setdefault(name, {})
            if not isinstance(level, dict):
                raise CommandError(Code.Location31249, f"Path collision at {path}")
        if last in level:
            raise CommandError(Code.Location31249, f"Path collision at {path}")
        level[last] = _parse_rule(path, value)
    kinds = {bool(v) for path, v in spec.items() if path != "_id" and not isinstance(v, dict)}
    if len(kinds) > 1:
        raise CommandError(Code.Location31254, "a projection cannot both include and exclude")
    including = kinds.pop() if kinds else bool(spec.get("_id"))
    if including:
        rules.setdefault("_id", True)
    return lambda document: _project(document, rules, including=including)


def _parse_rule(path: str, value: Any) -> bool | slice:
    if isinstance(value, bool) or is_number(value):
        return bool(value)
    match value:
        case {"$slice": int(count)}:
            return slice(0, count) if count >= 0 else slice(count, None)
        case {"$slice": [int(skip), int(count)]} if skip >= 0 and count > 0:
            return slice(skip, skip + count)
    raise not_implemented(f"the projection {{{path}: {value!r}}}")


def _project(value: Any, rule: Any, *, including: bool) -> Any:
    if isinstance(rule, bool):
        return value if rule else MISSING
    if isinstance(rule, slice):
        return value[rule] if isinstance(value, list) else value
    if isinstance(value, dict):
        fields = (
            (name, _project(field, rule.get(name, not including), including=including))
            for name, field in value.items()
        )
        return {name: field for name, field in fields if field is not MISSING}
    if isinstance(value, list):
        elements = (_project(element, rule, including=including) for element in value)
        return [element for element in elements if element is not MISSING]
    return MISSING if including else value
