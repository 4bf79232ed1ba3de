"""Lists from clients: their length is looked at first, and the first errors end the reading.

Pydantic by itself keeps every error of every item until the last: a body of two megabytes made
gigabytes of them.
"""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError as ShapeError
from pydantic import WrapValidator
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticKnownError

from auteur.core.api.problems import MAX_ERRORS

Handler = Callable[[Any], list[Any]]


def at_most(length: int) -> WrapValidator:
    """For a list type: items are validated only of a list that is no longer than this."""

    def validate(value: Any, handler: Handler) -> list[Any]:
        if not isinstance(value, list):
            return handler(value)
        if len(value) > length:
            context = {"field_type": "List", "max_length": length, "actual_length": len(value)}
            raise PydanticKnownError("too_long", context)
        return _in_batches(value, handler)

    return WrapValidator(validate)


def _in_batches(value: list[Any], handler: Handler) -> list[Any]:
    """The items, validated some at a time; raises the first errors of the first bad batch."""
    done: list[Any] = []
    for begin in range(0, max(len(value), 1), MAX_ERRORS):
        try:
            done += handler(value[begin : begin + MAX_ERRORS])
        except ShapeError as exc:
            raise _moved(exc, begin) from None
    return done


def _moved(error: ShapeError, by: int) -> ShapeError:
    """The first errors, at their items' places in the whole list."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return ShapeError.from_exception_data(
        error.title, [_line(each, by) for each in found[:MAX_ERRORS]]
    )


def _line(found: Any, by: int) -> InitErrorDetails:
    place = tuple(found["loc"])
    if place and isinstance(place[0], int):
        place = (place[0] + by, *place[1:])
    # A custom error of the same code and sentence: the built-in ones want their context again.
    kind = PydanticCustomError(found["type"], found["msg"])
    return InitErrorDetails(type=kind, loc=place, input=None)
