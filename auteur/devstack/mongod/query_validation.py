"""Which queries are well-formed, told before any document is looked at."""

import re
from typing import Any, Final

from bson import Regex

from .errors import CommandError, ErrorCode, not_implemented
from .values import type_name

_LOGICAL: Final = frozenset({"$and", "$or", "$nor"})
_TOP_LEVEL: Final = frozenset({"$expr", "$comment"})
_TOP_LEVEL_ELSEWHERE: Final = frozenset({"$where", "$text", "$jsonSchema"})
_OPERATORS: Final = frozenset(
    {
        "$eq",
        "$ne",
        "$gt",
        "$gte",
        "$lt",
        "$lte",
        "$in",
        "$nin",
        "$all",
        "$exists",
        "$regex",
        "$options",
        "$elemMatch",
        "$size",
        "$type",
        "$not",
    }
)
_OPERATORS_ELSEWHERE: Final = frozenset(
    {
        "$mod",
        "$bitsAllClear",
        "$bitsAllSet",
        "$bitsAnyClear",
        "$bitsAnySet",
        "$geoIntersects",
        "$geoWithin",
        "$near",
        "$nearSphere",
    }
)


def validate_query(query: Any) -> None:
    """Fails with MongoDB's error on an operator that is unknown, misplaced or not implemented."""
    if not isinstance(query, dict):
        raise CommandError(
            ErrorCode.BadValue, f"a query must be an object, not of type {type_name(query)}"
        )
    for key, condition in query.items():
        if key in _LOGICAL:
            _validate_branches(key, condition)
        elif key in _TOP_LEVEL_ELSEWHERE:
            raise not_implemented(f"the query operator {key}")
        elif not key.startswith("$"):
            _validate_condition(condition)
        elif key not in _TOP_LEVEL:
            raise CommandError(ErrorCode.BadValue, f"unknown top level operator: {key}")


def _validate_branches(name: str, branches: Any) -> None:
    if not isinstance(branches, list) or not branches:
        raise CommandError(ErrorCode.BadValue, f"{name} must be a nonempty array")
    for branch in branches:
        validate_query(branch)


def _validate_condition(condition: Any) -> None:
    if isinstance(condition, Regex):
        _validate_regex(condition.pattern)
    if not is_operator_document(condition):
        return
    for name, argument in condition.items():
        if name in _OPERATORS_ELSEWHERE:
            raise not_implemented(f"the query operator {name}")
        if name not in _OPERATORS:
            raise CommandError(ErrorCode.BadValue, f"unknown operator: {name}")
        _validate_argument(name, argument)


def _validate_argument(name: str, argument: Any) -> None:
    if name == "$not":
        _validate_condition(argument)
    elif name == "$elemMatch" and not is_operator_document(argument):
        validate_query(argument)
    elif name == "$regex":
        _validate_regex(argument.pattern if isinstance(argument, Regex) else argument)


def is_operator_document(condition: Any) -> bool:
    """Whether a condition consists of operators such as {"$gt": 1}, not of a value to equal."""
    if not isinstance(condition, dict):
        return False
    first: str = next(iter(condition), "")
    return first.startswith("$") and first not in _LOGICAL | _TOP_LEVEL


def _validate_regex(pattern: Any) -> None:
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise CommandError(
            ErrorCode.Location51091, f"Regular expression is invalid: {error}"
        ) from error
