"""Statements of our own on Django's connection, prepared by the server."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import psycopg
from django.db import connection, transaction


def execute(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement that returns some; raises Django's database errors.

    Django's own cursor writes the values into the text, to be parsed and planned each time. This
    one sends them apart, so that (with the option ``prepare_threshold``) it is done once.
    """
    # Inside somebody's transaction a refusal must not undo more than this.
    own = transaction.atomic() if connection.in_atomic_block else nullcontext()
    with (
        own,
        connection.cursor() as django_cursor,
        connection.wrap_database_errors,
        psycopg.Cursor(django_cursor.connection) as cursor,
    ):
        return cursor.execute(statement.encode(), values, prepare=True).fetchall()
