"""Errors as MongoDB reports them: a number, its code name and a message."""

from enum import IntEnum
from typing import Any


class ErrorCode(IntEnum):
    """The subset of MongoDB's codes this server answers; a member's name is its `codeName`."""

    InternalError = 1
    BadValue = 2
    FailedToParse = 9
    Unauthorized = 13
    TypeMismatch = 14
    Overflow = 15
    InvalidLength = 16
    IllegalOperation = 20
    InvalidBSON = 22
    NamespaceNotFound = 26
    IndexNotFound = 27
    PathNotViable = 28
    ConflictingUpdateOperators = 40
    CursorNotFound = 43
    NamespaceExists = 48
    DollarPrefixedFieldName = 52
    InvalidIdField = 53
    NotSingleValueField = 54
    EmptyFieldName = 56
    CommandNotFound = 59
    ImmutableField = 66
    CannotCreateIndex = 67
    InvalidOptions = 72
    InvalidNamespace = 73
    UnknownReplWriteConcern = 79
    IndexOptionsConflict = 85
    IndexKeySpecsConflict = 86
    CannotBackfillArray = 155
    CannotIndexParallelArrays = 171
    NotImplemented = 238
    UnsupportedOpQueryCommand = 352
    BSONObjectTooLarge = 10334
    DuplicateKey = 11000
    OutOfDiskSpace = 14031
    Location15958 = 15958
    Location31249 = 31249
    Location31253 = 31253
    Location31254 = 31254
    Location40323 = 40323
    Location40324 = 40324
    Location40414 = 40414
    Location40415 = 40415
    Location51024 = 51024
    Location51091 = 51091


class CommandError(Exception):
    """A command, or one statement of a write command, failed as MongoDB would have it fail."""

    def __init__(self, code: ErrorCode, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def as_reply(self) -> dict[str, Any]:
        """The reply of a command that failed as a whole."""
        return {
            "ok": 0.0,
            "errmsg": self.message,
            "code": int(self.code),
            "codeName": self.code.name,
            **self.details,
        }

    def as_write_error(self, index: int) -> dict[str, Any]:
        """The entry in `writeErrors` for the statement at a position."""
        return {"index": index, "code": int(self.code), **self.details, "errmsg": self.message}


def not_implemented(feature: str) -> CommandError:
    """The answer to what a real server can do and this one cannot."""
    return CommandError(
        ErrorCode.NotImplemented, f"{feature} is not implemented by the embedded server"
    )
