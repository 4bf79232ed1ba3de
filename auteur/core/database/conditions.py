"""Conditions of constraints that PostgreSQL stores in a short form."""

from collections.abc import Iterable
from typing import Any

from django.db.models import BooleanField, F, Func


class OneOf(Func):
    """A condition that a column of text has one of these words.

    It means the same as ``IN``, but is stored as one constant. PostgreSQL parses the checks of a
    table again for each statement that writes to it, and a list of ten words as ``IN`` stores it is
    3 KB of that.
    """

    arity = 1
    template = "%(expressions)s = ANY ('{%(words)s}')"

    def __init__(self, column: str | F, words: Iterable[str] = (), **extra: Any) -> None:
        extra.setdefault("words", ",".join(str(word) for word in words))
        extra.setdefault("output_field", BooleanField())
        super().__init__(F(column) if isinstance(column, str) else column, **extra)
