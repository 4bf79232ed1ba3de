"""BSON values: how they are encoded, compared, and reached by dotted paths."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.errors import BSONError

from .errors import Code, CommandError

Document = dict[str, Any]
Key = tuple[Any, ...]

MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024
MISSING: Final = object()
"""The value of a field that is not there, which is not the same as null."""

# Times stay the milliseconds they are: each comes back as it was written.
CODEC: Final[CodecOptions[Document]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS
)


def encode(document: Document) -> bytes:
    """BSON of a document; what cannot be stored is the client's error."""
    try:
        raw = bson.encode(document, codec_options=CODEC)
    except (BSONError, OverflowError) as error:
        raise CommandError(Code.BadValue, str(error)) from error
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise CommandError(Code.BSONObjectTooLarge, f"a document of {len(raw)} bytes is too large")
    return raw


def is_number(value: Any) -> bool:
    """Whether a value is a number (decimals we do not know), which booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def key_of(value: Any) -> Key:
    """What a value is compared by: the rank of its type, then it (1 is 1.0, missing is null)."""
    if value is None or value is MISSING:
        return (1,)
    if isinstance(value, bool):
        return (8, value)
    if is_number(value):
        return (2, False, 0) if math.isnan(value) else (2, True, value)
    if isinstance(value, dict):
        return (4, tuple((name, key_of(field)) for name, field in value.items()))
    if isinstance(value, list):
        return (5, tuple(map(key_of, value)))
    for rank, kind in ((3, str), (7, ObjectId), (9, DatetimeMS)):
        if isinstance(value, kind):
            return (rank, value)
    return (10, bson.encode({"": value}))


def values_at(node: Any, path: Sequence[str]) -> Iterator[Any]:
    """The values that a query's path leads to, through all elements of the arrays on its way.

    An array at its end counts as a whole and by its elements; where it ends early, ``MISSING``.
    """
    if not path:
        yield node
        if isinstance(node, list):
            yield from node
    elif isinstance(node, dict):
        yield from values_at(node.get(path[0], MISSING), path[1:])
    elif isinstance(node, list):
        if path[0].isdecimal() and int(path[0]) < len(node):
            yield from values_at(node[int(path[0])], path[1:])
        for element in node:
            if isinstance(element, dict):
                yield from values_at(element, path)
    else:
        yield MISSING


def changed_at(node: Any, path: Sequence[str], change: Callable[[Any], Any]) -> Any:
    """The node with the value at one exact path replaced by ``change(value)``.

    Only containers along the path are copied. A ``change`` that maps ``MISSING`` to ``MISSING``
    never makes the path; one that returns it removes the field (an element becomes null).
    """
    if not path:
        return change(node)
    name, rest = path[0], path[1:]
    if isinstance(node, list) and name.isdecimal():
        index = int(name)
        padded = [*node, *[None] * (index + 1 - len(node))]
        new = changed_at(node[index] if index < len(node) else MISSING, rest, change)
        padded[index] = None if new is MISSING else new
        return node if new is MISSING and index >= len(node) else padded
    if node is not MISSING and not isinstance(node, dict):
        if change(MISSING) is MISSING:
            return node
        raise CommandError(Code.PathNotViable, f"Cannot create field '{name}' in {node!r}")
    fields: dict[str, Any] = {} if node is MISSING else cast("dict[str, Any]", node)
    new = changed_at(fields.get(name, MISSING), rest, change)
    if new is not MISSING:
        return {**fields, name: new}
    return {key: fields[key] for key in fields if key != name} if name in fields else node
