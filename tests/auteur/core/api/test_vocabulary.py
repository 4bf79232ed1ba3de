"""One unit for each quantity, null for what is absent, and operations in a useful order."""

import re
from collections.abc import Iterator
from typing import Any

from django.db import models
from django.urls import get_resolver
from rest_framework.serializers import ModelSerializer

from auteur.core.api.schema import TAGS
from projects.models import Project
from tests.contract import described

IN_SECONDS = {"seconds"}
"""A parameter of `tests/plugins`."""
MAY_BE_EMPTY = {
    "AttributedSerializer.name",
    "EndpointSerializer.description",
    "EndpointWithSecretSerializer.description",
    "CreditTransactionSerializer.description",
    "ProjectSerializer.description",
    "ProjectDetailSerializer.description",
    "CopySerializer.description",
}
"""Texts that users or staff write, and may leave empty."""


def properties() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for component, schema in described()["components"]["schemas"].items():
        for name, part in schema.get("properties", {}).items():
            yield component, name, part


def test_durations_are_milliseconds_and_older_forms_are_deprecated():
    seconds = re.compile(r"(^|_)(sec|secs|seconds)(_|$)")
    old = [(c, n, part) for c, n, part in properties() if seconds.search(n) and n not in IN_SECONDS]
    assert {name for _, name, _ in old} == {
        "duration_sec",
        "seconds_p50",
        "seconds_p90",
        "run_seconds",
        "wait_seconds",
    }
    for component, name, part in old:
        assert part["deprecated"] is True
        new = re.search(r"`(\w+_ms)`", part["description"])
        assert new, name
        assert new[1] in described()["components"]["schemas"][component]["properties"]


def test_progress_is_a_fraction():
    result = [part for _, name, part in properties() if name == "progress"]
    assert result
    for part in result:
        assert "0 to 1" in part["description"]


def test_an_absent_text_is_null():
    get_resolver().url_patterns  # noqa: B018  # all serializers are loaded
    empty = {
        f"{kind.__name__}.{name}"
        for kind in subclasses(ModelSerializer)
        if kind.__module__.startswith(("accounts.", "jobs.", "media.", "projects.", "credits."))
        and hasattr(kind, "Meta")
        for name, field in kind().get_fields().items()
        if (column := column_of(kind, field.source or name)) is not None
        and isinstance(column, models.CharField | models.TextField)
        and column.blank
        and not column.null
        and not field.allow_null
        and field.__class__.__name__ != "SecretMethodField"
    }
    assert empty - MAY_BE_EMPTY == set()


def column_of(kind: type[ModelSerializer[Any]], name: str) -> Any:
    columns = {column.name: column for column in kind.Meta.model._meta.get_fields()}
    return columns.get(name)


def subclasses(kind: type) -> Iterator[type[Any]]:
    children: list[type[Any]] = kind.__subclasses__()
    for subclass in children:
        yield subclass
        yield from subclasses(subclass)


def test_a_project_without_a_picture_has_no_url(api):
    body = api.post("/projects", {"name": "Film"}, format="json").json()
    assert body["thumbnail_url"] is None
    assert api.get(f"/projects/{body['id']}").json()["thumbnail_url"] is None


def test_a_new_project_has_not_been_changed_before_it_was_made(api):
    body = api.post("/projects", {"name": "Film"}, format="json").json()
    assert body["updated_at"] == body["created_at"]
    path = f"/projects/{body['id']}"
    changed = api.patch(path, {"name": "Other"}, format="json").json()
    assert changed["updated_at"] > changed["created_at"] == body["created_at"]
    assert changed["updated_at"] == api.get(path).json()["updated_at"]
    project = Project.objects.get(pk=body["id"])
    project.save()
    project.refresh_from_db()
    assert project.updated_at > project.created_at


def test_operations_are_listed_by_what_one_needs_first():
    document = described()
    assert [tag["name"] for tag in document["tags"]] == list(TAGS)
    firsts = dict.fromkeys(path.split("/")[1] for path in document["paths"])
    assert list(firsts)[:2] == ["features", "jobs"]
    used = {
        tag for path in document["paths"].values() for item in path.values() for tag in item["tags"]
    }
    assert used == set(TAGS)


def test_operations_without_a_token_are_marked():
    is_open = {
        f"{method} {path}"
        for path, methods in described()["paths"].items()
        for method, operation in methods.items()
        if {} in operation["security"]
    }
    assert is_open == {"get /features"}
