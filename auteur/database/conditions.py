"""Conditions of constraints, as short as they can be stored."""

from collections.abc import Iterable
from typing import Any

from django.db.models import BooleanField, F, Func


class OneOf(Func):
    """Whether a column of text has one of these words.

    As ``IN`` says it, but stored as one constant: PostgreSQL reads the checks of a table anew for
    each statement that writes to it, and a list of ten words as ``IN`` stores it is 3 KB of that.
    """

    arity = 1
    template = "%(expressions)s = ANY ('{%(words)s}')"

    def __init__(self, column: str | F, words: Iterable[str] = (), **extra: Any) -> None:
        extra.setdefault("words", ",".join(str(word) for word in words))
        extra.setdefault("output_field", BooleanField())
        super().__init__(F(column) if isinstance(column, str) else column, **extra)
