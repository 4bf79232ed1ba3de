"""Dotted paths into documents: reading, and changing by copying only what lies on the path."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from .errors import CommandError, ErrorCode
from .values import MISSING, Document, type_name

Path = tuple[str, ...]
Change = Callable[[Any], Any]

MAX_ARRAY_PADDING: Final = 1_500_000


def parse_path(path: str) -> Path:
    """The parts of a dotted path, none of which may be empty."""
    parts = tuple(path.split("."))
    if not all(parts):
        raise CommandError(
            ErrorCode.EmptyFieldName, f"The update path '{path}' contains an empty field name"
        )
    return parts


def is_index(part: str) -> bool:
    """Whether a part of a path can name an array element."""
    return part.isascii() and part.isdigit()


def value_at(node: Any, path: Sequence[str]) -> Any:
    """The value a concrete path leads to, or MISSING."""
    for part in path:
        if isinstance(node, dict):
            node = node.get(part, MISSING)
        elif isinstance(node, list) and is_index(part) and int(part) < len(node):
            node = node[int(part)]
        else:
            return MISSING
    return node


def changed_at(node: Any, path: Path, change: Change) -> Any:
    """The node with the value at a path replaced by `change(value)`.

    Nothing is mutated: containers along the path are copied, the rest is shared, and the same
    node comes back when nothing changed. A `change` that maps MISSING to MISSING never creates
    the path; one that returns MISSING removes the field (an array element becomes null).
    """
    if not path:
        return change(node)
    head, rest = path[0], path[1:]
    if node is MISSING:
        created = changed_at(MISSING, rest, change)
        return MISSING if created is MISSING else {head: created}
    if isinstance(node, dict):
        return _changed_field(node, head, rest, change)
    if isinstance(node, list) and is_index(head):
        return _changed_element(node, int(head), rest, change)
    if change(MISSING) is MISSING:
        return node
    raise CommandError(
        ErrorCode.PathNotViable,
        f"Cannot create field '{head}' in element of type {type_name(node)}",
    )


def replaced_at(document: Document, path: Path, value: Any) -> Document:
    """The document with a value put at a path, or (MISSING) with the field removed."""
    result: Document = changed_at(document, path, lambda _: value)
    return result


def _changed_field(node: Document, name: str, rest: Path, change: Change) -> Document:
    old = node.get(name, MISSING)
    new = changed_at(old, rest, change)
    if new is old:
        return node
    if new is MISSING:
        return {key: value for key, value in node.items() if key != name}
    return {**node, name: new}


def _changed_element(node: list[Any], index: int, rest: Path, change: Change) -> list[Any]:
    old = node[index] if index < len(node) else MISSING
    new = changed_at(old, rest, change)
    if new is old:
        return node
    if index - len(node) > MAX_ARRAY_PADDING:
        raise CommandError(
            ErrorCode.CannotBackfillArray, f"cannot extend an array up to element {index}"
        )
    padded = [*node, *[None] * (index + 1 - len(node))]
    padded[index] = None if new is MISSING else new
    return padded
