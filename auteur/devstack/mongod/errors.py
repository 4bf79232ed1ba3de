"""Errors as MongoDB reports them: a number, its name and a message."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class Code(IntEnum):
    """MongoDB's numbers, as far as we answer them; a member's name is the ``codeName``."""

    InternalError = 1
    BadValue = 2
    FailedToParse = 9
    TypeMismatch = 14
    NamespaceNotFound = 26
    PathNotViable = 28
    ConflictingUpdateOperators = 40
    CursorNotFound = 43
    EmptyFieldName = 56
    CommandNotFound = 59
    ImmutableField = 66
    IndexKeySpecsConflict = 86
    NotImplemented = 238
    UnsupportedOpQueryCommand = 352
    BSONObjectTooLarge = 10334
    DuplicateKey = 11000
    Location31249 = 31249
    Location31254 = 31254


class CommandError(Exception):
    """A command, or one statement of a write command, failed as MongoDB would have it fail."""

    def __init__(self, code: Code, message: str, **details: Any) -> None:
        super().__init__(message)
        named = {"errmsg": message, "code": int(code), "codeName": code.name}
        self.reply = {"ok": 0.0, **named, **details}


def not_implemented(feature: str) -> CommandError:
    """The answer to what a real server may do and this one does not."""
    return CommandError(Code.NotImplemented, f"{feature} is not implemented by the stand-in")


def refuse_unknown(asked: Mapping[str, Any], known: str, *, of: str) -> None:
    """Raise where something is asked for that we do not know, and would have to ignore."""
    known_or_off = {*known.split(), *(name for name, value in asked.items() if value is False)}
    if unknown := [name for name in asked if name not in known_or_off]:
        raise not_implemented(f"the option '{unknown[0]}' of {of}")
