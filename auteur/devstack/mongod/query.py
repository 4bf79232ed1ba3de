"""Matching and ordering of documents: mongomock's query language behind MongoDB's errors."""

import operator
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from mongomock import OperationFailure, filtering
from sentinels import NOTHING  # type: ignore[import-untyped]

from .errors import CommandError, ErrorCode, not_implemented
from .query_validation import is_operator_document, validate_query
from .values import MISSING, Document, identity


@contextmanager
def mongomock_errors() -> Iterator[None]:
    """Turns what mongomock raises on an expression it cannot evaluate into a command error."""
    try:
        yield
    except NotImplementedError as error:
        raise CommandError(ErrorCode.NotImplemented, str(error)) from error
    except re.error as error:
        raise CommandError(
            ErrorCode.Location51091, f"Regular expression is invalid: {error}"
        ) from error
    except (OperationFailure, TypeError, ValueError, LookupError, AttributeError) as error:
        raise CommandError(
            ErrorCode.BadValue, f"cannot evaluate the expression: {error}"
        ) from error


def matches(query: Document, document: Any) -> bool:
    """Whether a query selects a document."""
    with mongomock_errors():
        return bool(filtering.filter_applies(query, document))


def matching(query: Document, documents: Iterable[Document]) -> Iterator[Document]:
    """The documents a query selects; a malformed query fails even when there are none."""
    validate_query(query)
    with mongomock_errors():
        for document in documents:
            if filtering.filter_applies(query, document):
                yield document


def matches_element(condition: Any, element: Any) -> bool:
    """Whether one array element satisfies a condition on a document or on a plain value."""
    if isinstance(condition, dict) and not is_operator_document(condition):
        return isinstance(element, dict) and matches(condition, element)
    return matches({"element": condition}, {"element": element})


def less_than(left: Any, right: Any) -> bool:
    """BSON's order between any two values."""
    with mongomock_errors():
        return bool(filtering.bson_compare(operator.lt, left, right))


def field_values(document: Document, path: str) -> list[Any]:
    """What a dotted path reaches, arrays on the way (and at its end) taken apart."""
    values: list[Any] = []
    for value in filtering.iter_key_candidates(path, document):
        if isinstance(value, list):
            values.extend(value)
        else:
            values.append(None if value is NOTHING else value)
    return values


def ordered(documents: Iterable[Document], sort: Document) -> list[Document]:
    """The documents in the order of a sort specification such as {"created_at": -1}."""
    result = list(documents)
    for path, direction in reversed(list(sort.items())):
        if direction not in (1, -1):
            raise _bad_direction(direction)
        if path == "$natural":
            result = result[::direction]
            continue
        with mongomock_errors():
            result.sort(key=_sort_key(path, direction), reverse=direction < 0)
    return result


def _bad_direction(direction: Any) -> CommandError:
    if isinstance(direction, dict):
        return not_implemented("sorting by $meta")
    return CommandError(
        ErrorCode.Location15958, f"$sort key ordering must be 1 or -1, not {direction!r}"
    )


def _sort_key(path: str, direction: int) -> Any:
    # An array sorts by its smallest element when ascending and its largest when descending;
    # an empty one sorts before null.
    pick = min if direction > 0 else max

    def key(document: Document) -> Any:
        values = field_values(document, path)
        if not values and filtering.resolve_key(path, document) == []:
            return (0, filtering.BsonComparable(None))
        return (1, pick(map(filtering.BsonComparable, values or [None])))

    return key


def ordered_values(values: list[Any], direction: int) -> list[Any]:
    """Plain values in BSON's order, as `$push` with `$sort: 1` wants them."""
    return [item["value"] for item in ordered([{"value": v} for v in values], {"value": direction})]


def distinct(documents: Iterable[Document], path: str) -> list[Any]:
    """The different values at a path, elements of arrays counted singly."""
    found: dict[Any, Any] = {}
    for document in documents:
        for value in filtering.iter_key_candidates(path, document):
            for item in value if isinstance(value, list) else [value]:
                if item is not NOTHING:
                    found.setdefault(identity(item), item)
    return list(found.values())


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal as MongoDB compares them."""
    if (left is MISSING) != (right is MISSING):
        return False
    return identity(left) == identity(right)
