"""No operation of the schema ignores a field or a query parameter that it does not know."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from auteur.core.api.unknown_fields import MAX_COMPARED_LENGTH, find_unknown_fields
from projects.models import Project
from tests.contract import described

JSON = "application/json"

OPEN = {"OwnEffect"}
"""Objects whose names their senders choose: effects of other programs."""
CODES = {"unknown_parameter", "extra_forbidden"}
"""The second one is that of timelines, whose fields Pydantic checks."""


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in described()["paths"].items()
        for method, operation in methods.items()
    ]


OPERATIONS = [pytest.param(*each, id=f"{each[0]} {each[1]}") for each in operations()]
WITH_JSON = [
    pytest.param(*each, id=f"{each[0]} {each[1]}")
    for each in operations()
    if JSON in each[2].get("requestBody", {}).get("content", {})
]


def address(path: str) -> str:
    return re.sub(r"{\w+}", str(uuid.uuid4()), path)


def unknown_names(answer: Any) -> set[str]:
    return {error["field"] for error in answer.json()["errors"] if error["code"] in CODES}


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_a_query_parameter_that_is_not_documented_is_refused(api, method, path, operation):
    answer = api.generic(method.upper(), f"{address(path)}?no_such_parameter=1")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert "no_such_parameter" in unknown_names(answer)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_every_query_parameter_that_is_documented_is_known(api, method, path, operation):
    names = [item["name"] for item in operation.get("parameters", ()) if item["in"] == "query"]
    query = "&".join(f"{name}=1" for name in names)
    answer = api.generic(method.upper(), f"{address(path)}?{query}")
    if answer.status_code == 400 and "errors" in answer.json():
        assert not unknown_names(answer)


@pytest.mark.parametrize(("method", "path", "operation"), WITH_JSON)
def test_the_schema_of_a_body_is_closed(method, path, operation):
    schema = operation["requestBody"]["content"][JSON]["schema"]
    assert [place for place, is_open in objects(schema) if is_open] == []


def objects(
    schema: dict[str, Any], place: str = "", seen: frozenset[str] = frozenset()
) -> Iterator[tuple[str, bool]]:
    """Yield the place of each object in a schema, and whether it takes unknown fields."""
    if ref := schema.get("$ref"):
        if ref not in seen:
            name = ref.rpartition("/")[2]
            yield from objects(described()["components"]["schemas"][name], name, seen | {ref})
        return
    if "properties" in schema:
        yield place, place not in OPEN and schema.get("additionalProperties") is not False
    parts = [*schema.get("properties", {}).items(), ("items", schema.get("items"))]
    parts += [(key, item) for key in ("oneOf", "anyOf", "allOf") for item in schema.get(key, ())]
    for name, part in parts:
        if isinstance(part, dict):
            yield from objects(part, f"{place}.{name}", seen)


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [item for item in OPERATIONS if item.values[0] in ("post", "put", "patch")],
)
def test_an_unknown_field_is_refused_with_its_name(api, method, path, operation):
    content = operation.get("requestBody", {}).get("content", {JSON: {}})
    if JSON not in content or "format" in [p["name"] for p in operation.get("parameters", ())]:
        pytest.skip("its body is a file")
    headers = {"If-Match": "*"}
    answer = api.generic(
        method.upper(), address(path), b'{"no_such_field": 1}', JSON, headers=headers
    )
    if answer.status_code == 404 and "{" in path:
        return  # what the address names is looked up first
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert {name.rpartition(".")[2] for name in unknown_names(answer)} >= {"no_such_field"}


def test_a_near_name_is_suggested(api):
    answer = api.post("/projects", {"nam": "Holiday"}, format="json")
    assert answer.json()["errors"] == [
        {"field": "name", "code": "required", "detail": "This field is required."},
        {
            "field": "nam",
            "code": "unknown_parameter",
            "detail": "Unknown field. Did you mean name?",
        },
    ]


@pytest.mark.parametrize("extra", [0, 1])
def test_a_long_name_is_not_compared(extra):
    length = MAX_COMPARED_LENGTH + extra
    near = f"name{'e' * (length - 4)}"
    errors = find_unknown_fields({near: 1}, [near[:-1]])
    assert ("Did you mean" in errors[near][0]) is (extra == 0)


def test_unknown_parameters_of_jobs_are_told_beside_missing_ones(api):
    answer = api.post("/jobs/tts", {"txt": "Good morning."}, format="json")
    assert {error["field"]: error["code"] for error in answer.json()["errors"]} == {
        "text": "required",
        "txt": "unknown_parameter",
    }


def test_who_is_nobody_is_told_that_first(client):
    answer = client.post("/projects?no_such=1", {"nam": 1}, content_type=JSON)
    assert answer.status_code == 401


def test_an_operation_without_a_body_takes_an_empty_object(api, user):
    path = f"/projects/{Project.objects.create(user=user, name='Film').pk}/edl/undo"
    assert api.post(path, {}, format="json").status_code != 400
    assert api.post(path, {"steps": 2}, format="json").status_code == 400


def test_a_timeline_may_be_sent_back_as_it_was_read(api, user):
    path = f"/projects/{Project.objects.create(user=user, name='Film').pk}/edl"
    read = api.get(path)
    headers = {"If-Match": read["ETag"]}
    assert api.put(path, read.json(), format="json", headers=headers).status_code == 200
    answer = api.put(path, read.json() | {"trakcs": []}, format="json", headers={"If-Match": "*"})
    assert (answer.status_code, unknown_names(answer)) == (400, {"trakcs"})
