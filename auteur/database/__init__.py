"""Statements of our own on Django's connection, prepared by the server.

Their values are named (``%(user_id)s``), and sent by number (``$1``).
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from django.db import (
    DEFAULT_DB_ALIAS,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from django.db.models import Model

Row = TypeVar("Row", bound=Model)


_NAMED = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- (?:name: |# )|\Z)", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)
_VALUE = re.compile(r"%\((\w+)\)s|%%")


def statements(path: Path, **marks: str) -> Mapping[str, str]:
    """The statements of a file, each under a line ``-- name: …``, without their comments.

    ``{name}`` in them stands for the mark, or the statement above it, of that name.
    """
    known = dict(marks)
    for name, text in _NAMED.findall(path.read_text()):
        known[name] = _COMMENT.sub("", text).strip().format_map(known)
    return known


def execute(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement that returns some; raises Django's database errors.

    Django's own cursor writes the values into the text, to be parsed and planned each time. This
    one sends them apart, so that (with the option ``prepare_threshold``) it is done once. psycopg's
    usual one reads statements above 4096 bytes anew each time to find their values.
    """
    # Inside somebody's transaction a refusal must not undo more than this.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        return _rows(statement, values)


def execute_first(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """As `execute`, for what only reads, and is the first that a request asks of the database.

    It is the check of the connection's health, too, which Django would make before it: a connection
    that turns out to be broken is replaced, and the statement sent once more.
    """
    session: Any = connection  # of which the types lack what is asked here
    if session.in_atomic_block or session.connection is None or session.health_check_done:
        return _rows(statement, values)
    session.health_check_done = True
    try:
        return _rows(statement, values)
    except (InterfaceError, OperationalError):
        if session.is_usable():
            raise
        session.close()
        return _rows(statement, values)


def _rows(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    if connection.queries_logged:
        connection.queries_log.append({"sql": statement, "time": ""})
    numbered, names = _numbered(statement)
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.RawCursor(connection.connection) as cursor:
        return cursor.execute(numbered, [values[name] for name in names], prepare=True).fetchall()


@cache
def _numbered(statement: str) -> tuple[bytes, list[str]]:
    """The statement with numbered values, and their names in that order."""
    names = list(dict.fromkeys(name for name in _VALUE.findall(statement) if name))
    numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
    return _VALUE.sub(lambda found: numbers.get(found[1], "%"), statement).encode(), names


def columns(model: type[Model], table: str) -> str:
    """What a statement selects of a table for `instance`.

    For models whose columns need no conversion: no JSON.
    """
    return ", ".join(f'{table}."{field.column}"' for field in model._meta.concrete_fields)


def instance(model: type[Row], values: Sequence[Any]) -> Row:
    """The instance whose `columns` were selected, without the making of a query."""
    return model.from_db(DEFAULT_DB_ALIAS, _names(model), values)


@cache
def _names(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]
