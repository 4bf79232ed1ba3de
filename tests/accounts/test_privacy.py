"""docs/privacy.md names every column that may hold something of a person, and no other."""

import re

from auteur.devstack.processes import BASE_DIR
from tests.accounts.columns import models, personal_columns

NAMED = re.compile(r"`(\w+)\.(\w+|\*)`")


def told() -> set[tuple[str, str]]:
    page = (BASE_DIR / "docs" / "privacy.md").read_text()
    return set(NAMED.findall(page))


def test_every_column_is_named() -> None:
    missing = [
        f"{model._meta.db_table}.{column}"
        for model in models()
        for column in personal_columns(model)
        if not told() & {(model._meta.db_table, column), (model._meta.db_table, "*")}
    ]
    assert missing == []


def test_every_table_is_named() -> None:
    assert {model._meta.db_table for model in models()} <= {table for table, _ in told()}


def test_what_is_named_is_there() -> None:
    columns = {
        (model._meta.db_table, str(field.column))
        for model in models()
        for field in model._meta.concrete_fields
    }
    tables = {(table, "*") for table, _ in columns}
    files = {("personal_data", "py"), ("manifest", "json")}
    assert told() <= columns | tables | files
