"""Statements of our own on Django's connection, prepared by the server.

Their values are named (``%(user_id)s``), and sent by number (``$1``).
"""

import re
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, transaction
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


def _rows(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    if connection.queries_logged:
        connection.queries_log.append({"sql": statement, "time": ""})
    numbered, names = _numbered(statement)
    with (
        connection.cursor() as django_cursor,
        connection.wrap_database_errors,
        psycopg.RawCursor(django_cursor.connection) as cursor,
    ):
        return cursor.execute(numbered, [values[name] for name in names], prepare=True).fetchall()


@cache
def _numbered(statement: str) -> tuple[bytes, list[str]]:
    """The statement with numbered values, and their names in that order."""
    names = list(dict.fromkeys(name for name in _VALUE.findall(statement) if name))
    numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
    return _VALUE.sub(lambda found: numbers.get(found[1], "%"), statement).encode(), names


def find(model: type[Row], pk: Any) -> Row | None:
    """The instance of that key: what every request asks for, without the making of a query.

    For models whose columns need no conversion: no JSON.
    """
    statement, names = _selection(model)
    rows = _rows(statement, {"pk": pk})
    return model.from_db(DEFAULT_DB_ALIAS, names, rows[0]) if rows else None


@cache
def _selection(model: type[Model]) -> tuple[str, list[str]]:
    fields = model._meta.concrete_fields
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    table, key = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    statement = f"SELECT {columns} FROM {table} WHERE {key} = %(pk)s"  # noqa: S608
    return statement, [field.attname for field in fields]
