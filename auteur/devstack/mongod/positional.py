"""The positional parts of an update path, `$`, `$[]` and `$[name]`, made concrete."""

from collections.abc import Iterator
from typing import Any

from .errors import CommandError, ErrorCode
from .paths import Path, is_index, value_at
from .query import matches, matches_element
from .values import Document


class ArrayFilters:
    """The `arrayFilters` of an update, by identifier, counting which were used."""

    def __init__(self, filters: list[Any]) -> None:
        self._filters: dict[str, Document] = {}
        self._unused: set[str] = set()
        for condition in filters:
            name = _identifier(condition)
            if name in self._filters:
                raise CommandError(
                    ErrorCode.FailedToParse,
                    f"Found multiple array filters with the same top-level field name {name}",
                )
            self._filters[name] = condition
            self._unused.add(name)

    def require(self, paths: list[Path]) -> None:
        """Fails on an identifier without a filter, and on a filter without an identifier."""
        used = {part[2:-1] for path in paths for part in path if part.startswith("$[")} - {""}
        if unknown := used - self._filters.keys():
            raise CommandError(
                ErrorCode.BadValue, f"No array filter found for identifier '{unknown.pop()}'"
            )
        if unused := self._unused - used:
            raise CommandError(
                ErrorCode.FailedToParse,
                f"The array filter for identifier '{unused.pop()}' was not used in the update",
            )

    def selects(self, name: str, element: Any) -> bool:
        """Whether `$[name]` stands for this element; `$[]` stands for all."""
        return not name or matches(self._filters[name], {name: element})


def _identifier(condition: Any) -> str:
    names = set(_identifiers(condition))
    if len(names) != 1:
        raise CommandError(
            ErrorCode.FailedToParse,
            "Each array filter must use exactly one top-level field name",
        )
    return names.pop()


def _identifiers(condition: Any) -> Iterator[str]:
    if not isinstance(condition, dict):
        raise CommandError(ErrorCode.TypeMismatch, "Each array filter must be an object")
    for key, value in condition.items():
        if key in ("$and", "$or", "$nor"):
            for branch in value:
                yield from _identifiers(branch)
        else:
            yield key.partition(".")[0]


def expand(document: Document, path: Path, *, query: Document, filters: ArrayFilters) -> list[Path]:
    """The concrete paths that a path with positional parts stands for in this document."""
    for position, part in enumerate(path):
        if part.startswith("$"):
            prefix, rest = path[:position], path[position + 1 :]
            return [
                concrete
                for index in _indexes(document, prefix, part, query=query, filters=filters)
                for concrete in expand(
                    document, (*prefix, str(index), *rest), query=query, filters=filters
                )
            ]
    return [path]


def _indexes(
    document: Document, prefix: Path, part: str, *, query: Document, filters: ArrayFilters
) -> list[int]:
    array = value_at(document, prefix)
    where = ".".join(prefix)
    if part == "$":
        return [_matched_index(array, where, query)]
    if not (part.startswith("$[") and part.endswith("]")):
        raise CommandError(
            ErrorCode.DollarPrefixedFieldName,
            f"The dollar ($) prefixed field '{part}' is not allowed in an update path",
        )
    if not isinstance(array, list):
        raise CommandError(
            ErrorCode.BadValue,
            f"The path '{where}' must exist in the document and be an array in order to apply "
            "array updates",
        )
    return [i for i, element in enumerate(array) if filters.selects(part[2:-1], element)]


def _matched_index(array: Any, where: str, query: Document) -> int:
    """The first element that satisfies what the query asks of the array at `where`."""
    conditions = list(_conditions(query, where))
    if isinstance(array, list) and conditions:
        for index, element in enumerate(array):
            if all(_element_satisfies(element, rest, value) for rest, value in conditions):
                return index
    raise CommandError(
        ErrorCode.BadValue,
        "The positional operator did not find the match needed from the query.",
    )


def _conditions(query: Document, where: str) -> Iterator[tuple[str, Any]]:
    """Pairs of a path inside the element ("" for the element itself) and its condition."""
    for key, value in query.items():
        if key == "$and":
            for branch in value:
                yield from _conditions(branch, where)
        elif key == where:
            yield "", value
        elif key.startswith(f"{where}.") and not is_index(key[len(where) + 1 :].partition(".")[0]):
            yield key[len(where) + 1 :], value


def _element_satisfies(element: Any, path: str, condition: Any) -> bool:
    if path:
        return isinstance(element, dict) and matches({path: condition}, element)
    if isinstance(condition, dict) and "$elemMatch" in condition:
        return matches_element(condition["$elemMatch"], element)
    return matches_element(condition, element)
