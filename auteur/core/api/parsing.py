"""Strict parsing of JSON by RFC 8259, with limits of its size and depth.

Python's parser also accepts NaN, repeated keys and lone surrogates, and has no bound: two megabytes
of `{}` would become half a gigabyte of errors. Text that our stores cannot hold is refused here,
for all fields.
"""

import json
import math
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import IO, Any, NoReturn

from rest_framework import parsers
from rest_framework.exceptions import ParseError

MAX_VALUES = 250_000
"""The most values of a body. The longest timeline that fits into a body has two thirds of them."""
MAX_MEMBERS = 100
"""The most members of an object. None of our objects has half as many."""
MAX_DEPTH = 32
MAX_NUMBER_LENGTH = 100
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
MAX_NAMED_LENGTH = 50

# Possessive quantifiers keep both expressions from backtracking: they take linear time.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STORABLE = re.compile(
    r"(?:[^\\]++"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # A pair is one character.
    r"|\\(?!u(?:0000|[dD][89a-fA-F])).)*+",
    re.DOTALL,
)
_NO_BRACKET = re.compile(r"[^\[\]{}]+")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class JSONParser(parsers.JSONParser):
    """A parser of `application/json`, in UTF-8 whatever the header says."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the value. Raise ``ParseError`` with the reason if the body is not valid."""
        try:
            return parse_json(stream.read().decode())
        except UnicodeDecodeError as exc:
            raise ParseError("The request body is not valid UTF-8.") from exc
        except ValueError as exc:
            raise ParseError(f"The request body is not valid JSON: {exc}") from exc


def parse_json(text: str) -> Any:
    """Return the value of a JSON text. Raise ``ValueError`` if it is invalid or exceeds a bound."""
    _check_size(text)
    if not _STORABLE.fullmatch(text):
        raise ValueError("A string contains U+0000 or an unpaired surrogate.")
    return json.loads(
        text,
        object_pairs_hook=_build_object,
        parse_constant=_refuse_constant,
        parse_float=_parse_float,
        parse_int=_parse_int,
    )


def _check_size(text: str) -> None:
    """Check the depth and the number of values, in the text without its strings.

    Every value but the first follows a comma or a bracket.
    """
    bare = _STRING.sub("", text)
    brackets = _NO_BRACKET.sub("", bare)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise ValueError(f"It is nested more than {MAX_DEPTH} levels deep.")
    if bare.count(",") + bare.count("[") + bare.count("{") >= MAX_VALUES:
        raise ValueError(f"It has more than {MAX_VALUES} values.")


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_MEMBERS:
        raise ValueError(f"An object has more than {MAX_MEMBERS} members.")
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"An object has two members named `{repeated[:MAX_NAMED_LENGTH]}`.")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number.")


def _parse_float(digits: str) -> float:
    number = float(digits) if len(digits) <= MAX_NUMBER_LENGTH else math.inf
    if math.isinf(number):
        raise ValueError("A number is too long, or too large.")
    return number


def _parse_int(digits: str) -> int:
    number = int(digits) if len(digits) <= MAX_NUMBER_LENGTH else MAX_INTEGER + 1
    if not MIN_INTEGER <= number <= MAX_INTEGER:
        raise ValueError("An integer has more than 64 bits.")
    return number
