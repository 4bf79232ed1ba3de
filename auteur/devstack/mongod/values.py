"""BSON values: their codec, their names, and when two of them are the same."""

import math
from collections.abc import Hashable
from datetime import datetime
from typing import Any, Final

import bson
from bson import Binary, Decimal128, Int64, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

from .errors import CommandError, ErrorCode

Document = dict[str, Any]

MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024
# Replies and commands may exceed a document by their envelope, as on a real server.
MAX_COMMAND_BYTES: Final = MAX_DOCUMENT_BYTES + 16 * 1024

CODEC: Final[CodecOptions[Document]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


class Missing:
    """The type of MISSING, a field that is not there (which is not the same as null)."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()

_TYPE_NAMES: Final[tuple[tuple[type, str], ...]] = (
    (bool, "bool"),
    (Int64, "long"),
    (int, "int"),
    (float, "double"),
    (Decimal128, "decimal"),
    (str, "string"),
    (dict, "object"),
    (list, "array"),
    (ObjectId, "objectId"),
    (datetime, "date"),
    (bytes, "binData"),
    (Regex, "regex"),
    (Timestamp, "timestamp"),
)

SCALARS: Final = (str, bool, int, float, ObjectId, datetime, bytes, Binary, Decimal128)


def type_name(value: object) -> str:
    """The BSON type's name, as error messages spell it."""
    if value is None:
        return "null"
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "missing")


def is_number(value: object) -> bool:
    """Whether a value is one of the numeric types, which booleans are not."""
    return isinstance(value, int | float | Decimal128) and not isinstance(value, bool)


def identity(value: Any) -> Hashable:
    """A key that two values share exactly when MongoDB holds them equal (1 == 1.0, 1 != true)."""
    if value is None or value is MISSING:
        return ("null",)
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, int | float | Decimal128):
        return ("number", _number_identity(value))
    if isinstance(value, str):
        return ("string", value)
    if isinstance(value, dict | list):
        return _container_identity(value)
    return (type_name(value), encode({"": value}))


def _container_identity(value: Document | list[Any]) -> Hashable:
    if isinstance(value, list):
        return ("array", tuple(identity(item) for item in value))
    return ("object", tuple((key, identity(item)) for key, item in value.items()))


def _number_identity(value: int | float | Decimal128) -> Hashable:
    number = value.to_decimal() if isinstance(value, Decimal128) else value
    return "nan" if math.isnan(number) else number


def encode(document: Document) -> bytes:
    """BSON of a document; what BSON cannot hold is the client's error."""
    try:
        return bson.encode(document, codec_options=CODEC)
    except (BSONError, OverflowError) as error:
        raise CommandError(ErrorCode.BadValue, str(error)) from error


def encode_stored(document: Document) -> bytes:
    """BSON of a document about to be stored, refused above 16 MiB."""
    raw = encode(document)
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise CommandError(
            ErrorCode.BSONObjectTooLarge,
            f"BSONObj size: {len(raw)} is invalid. Size must be between 0 and {MAX_DOCUMENT_BYTES}",
        )
    return raw
