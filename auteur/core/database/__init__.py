"""Execution of our own SQL on Django's connection, as prepared statements.

Their values are named (``%(user_id)s``) in the text, and sent by number (``$1``).
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


def read_statements(path: Path, **marks: str) -> Mapping[str, str]:
    """Return the statements of a file, each under a line ``-- name: …``, without their comments.

    ``{name}`` in a statement stands for the mark, or the statement above it, of that name.
    """
    texts = dict(marks)
    for name, text in _NAMED.findall(path.read_text()):
        texts[name] = _COMMENT.sub("", text).strip().format_map(texts)
    return texts


def execute(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a statement that returns some. Raise Django's database errors.

    Django's own cursor writes the values into the text, so the server parses and plans it each
    time. This one sends them separately, so that (with the option ``prepare_threshold``) it is done
    once. psycopg's usual cursor parses statements above 4096 bytes each time to find their values.
    """
    # Inside a caller's transaction, an error must not roll back more than this statement.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        return _fetch_rows(statement, values)


def execute_first(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return rows as `execute` does, for the first read of a request.

    It is also the health check of the connection that Django would otherwise make first: a broken
    connection is replaced, and the statement is sent once more.
    """
    session: Any = connection  # The type stubs lack the attributes used here.
    if session.in_atomic_block or session.connection is None or session.health_check_done:
        return _fetch_rows(statement, values)
    session.health_check_done = True
    try:
        return _fetch_rows(statement, values)
    except (InterfaceError, OperationalError):
        if session.is_usable():
            raise
        session.close()
        return _fetch_rows(statement, values)


def _fetch_rows(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    if connection.queries_logged:
        connection.queries_log.append({"sql": statement, "time": ""})
    numbered, names = _number_values(statement)
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.RawCursor(connection.connection) as cursor:
        return cursor.execute(numbered, [values[name] for name in names], prepare=True).fetchall()


@cache
def _number_values(statement: str) -> tuple[bytes, list[str]]:
    """Return the statement with numbered values, and their names in that order."""
    names = list(dict.fromkeys(name for name in _VALUE.findall(statement) if name))
    numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
    return _VALUE.sub(lambda match: numbers.get(match[1], "%"), statement).encode(), names


def format_columns(model: type[Model], table: str) -> str:
    """Return the columns that a statement selects of a table for `build_instance`.

    This works for models whose columns need no conversion, as JSON does.
    """
    return ", ".join(f'{table}."{field.column}"' for field in model._meta.concrete_fields)


def build_instance(model: type[Row], values: Sequence[Any]) -> Row:
    """Return the instance whose `format_columns` were selected, without building a query."""
    return model.from_db(DEFAULT_DB_ALIAS, _list_attribute_names(model), values)


@cache
def _list_attribute_names(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]
