"""Which changes of the API's contract break clients, rule by rule."""

import copy
import json

import pytest

from auteur.devstack import contract
from auteur.devstack.api_compatibility import find_breaks

CLIP = {
    "type": "object",
    "required": ["id", "kind"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "kind": {"$ref": "#/components/schemas/Kind"},
        "at": {"type": "integer"},
        "note": {"type": ["string", "null"]},
        "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Clip"}},
        "effect": {
            "oneOf": [
                {"type": "object", "properties": {"op": {"const": "fade", "type": "string"}}},
                {"type": "object", "properties": {"op": {"const": "gain", "type": "string"}}},
            ]
        },
        "size": {"allOf": [{"$ref": "#/components/schemas/Size"}], "readOnly": True},
    },
}
SIZE = {"type": "object", "required": ["w"], "properties": {"w": {"type": "integer"}}}
REF = {"$ref": "#/components/schemas/Clip"}
OPERATION = {
    "parameters": [
        {"in": "query", "name": "limit", "schema": {"type": "integer"}},
        {"in": "query", "name": "order", "schema": {"enum": ["new", "old"], "type": "string"}},
    ],
    "requestBody": {"content": {"application/json": {"schema": REF}}},
    "responses": {
        "200": {"content": {"application/json": {"schema": REF}}},
        "404": {"content": {"application/problem+json": {"schema": {"type": "object"}}}},
    },
}
DOCUMENT = {
    "paths": {"/clips": {"get": OPERATION, "post": OPERATION}},
    "components": {
        "schemas": {
            "Clip": CLIP,
            "Size": SIZE,
            "Kind": {"enum": ["video", "audio"], "type": "string"},
        }
    },
}
POST = ("paths", "/clips", "post")
FIELDS = ("components", "schemas", "Clip", "properties")
REQUEST, ANSWER = "GET /clips: request", "GET /clips: answer 200"


def changed(*path, to=None):
    """The document with another value at a place, or without it."""
    document = json.loads(json.dumps(DOCUMENT))
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    if to is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return find_breaks(DOCUMENT, document)


def test_the_same_breaks_nothing():
    assert find_breaks(DOCUMENT, copy.deepcopy(DOCUMENT)) == []


@pytest.mark.parametrize("path", [POST, POST[:2]])
def test_an_operation_that_is_gone(path):
    assert "POST /clips: the operation is gone" in changed(*path)


def test_a_parameter_that_is_gone():
    assert changed(*POST, "parameters", 0) == ["POST /clips: query parameter limit is gone"]


def test_a_parameter_that_became_required_or_is_new_and_required():
    result = changed(*POST, "parameters", 0, "required", to=True)
    assert result == ["POST /clips: query parameter limit became required"]
    new = {"in": "header", "name": "If-Match", "schema": {"type": "string"}, "required": True}
    result = changed(*POST, "parameters", to=[*OPERATION["parameters"], new])
    assert result == ["POST /clips: header parameter If-Match became required"]
    result = changed(*POST, "parameters", to=[*OPERATION["parameters"], new | {"required": False}])
    assert result == []


@pytest.mark.parametrize(
    ("values", "result"),
    [
        (["new"], ["POST /clips: query parameter order: the value old is not taken any more"]),
        (["new", "old", "name"], []),
    ],
)
def test_a_value_of_a_parameter_that_is_gone(values, result):
    assert changed(*POST, "parameters", 1, "schema", "enum", to=values) == result


def test_a_parameter_that_takes_only_some_values_now():
    result = changed(*POST, "parameters", 0, "schema", "enum", to=[1, 2])
    assert result == ["POST /clips: query parameter limit: only 1, 2 is taken now"]


def test_a_value_of_a_request_that_is_gone_and_answers_that_have_fewer():
    result = changed("components", "schemas", "Kind", "enum", to=["video"])
    assert result == [f"{REQUEST}: kind: the value audio is not taken any more"]


def test_a_field_that_is_gone():
    assert changed(*FIELDS, "at") == [
        f"{ANSWER}: field at is gone",
        f"{REQUEST}: field at is gone",
    ]


def test_a_field_of_a_request_that_became_required():
    result = changed("components", "schemas", "Clip", "required", to=["id", "kind", "at"])
    assert result == [f"{REQUEST}: field at became required"]


def test_a_field_of_an_answer_that_may_be_missing():
    result = changed("components", "schemas", "Clip", "required", to=["kind"])
    assert result == [f"{ANSWER}: field id may be missing now"]


def test_a_type_that_changed():
    assert changed(*FIELDS, "at", "type", to="string") == [
        f"{ANSWER}: at: the type may be string now",
        f"{REQUEST}: at: the type integer is not taken any more",
    ]


@pytest.mark.parametrize(
    ("field", "schema", "result"),
    [
        ("at", {"type": "number"}, [f"{ANSWER}: at: the type may be number now"]),
        ("at", {"type": ["integer", "null"]}, [f"{ANSWER}: at: the type may be null now"]),
        ("note", {"type": "string"}, [f"{REQUEST}: note: the type null is not taken any more"]),
        ("id", {"type": "string"}, [f"{ANSWER}: id: the type may be string now"]),
        (
            "id",
            {"type": "string", "format": "date"},
            [
                f"{ANSWER}: id: the type may be string date now",
                f"{REQUEST}: id: the type string uuid is not taken any more",
            ],
        ),
    ],
)
def test_requests_may_take_more_and_answers_promise_more(field, schema, result):
    assert changed(*FIELDS, field, to=schema) == result


def test_a_choice_that_is_gone_or_new():
    fade, gain = CLIP["properties"]["effect"]["oneOf"]
    result = changed(*FIELDS, "effect", "oneOf", to=[fade])
    assert result == [f"{REQUEST}: effect: gain is not taken any more"]
    new = {"type": "object", "properties": {"op": {"const": "cut", "type": "string"}}}
    assert changed(*FIELDS, "effect", "oneOf", to=[fade, gain, new]) == []
    result = changed(*FIELDS, "effect", "oneOf", to=[fade, new])
    assert result == [f"{REQUEST}: effect: gain is not taken any more"]


def test_what_stands_in_all_of_is_compared():
    result = changed("components", "schemas", "Size", "properties", "w")
    assert f"{ANSWER}: size: field w is gone" in result


def test_a_body_that_became_required():
    result = changed(*POST, "requestBody", "required", to=True)
    assert result == ["POST /clips: the request body became required"]


def test_a_kind_of_content_or_an_answer_that_is_gone():
    result = changed(*POST, "requestBody", "content", to={})
    assert result == ["POST /clips: request: application/json is gone"]
    assert changed(*POST, "responses", "200") == ["POST /clips: the answer 200 is gone"]
    assert changed(*POST, "responses", "404") == []


def test_a_component_has_another_name():
    document = json.loads(
        json.dumps(DOCUMENT).replace("/Clip", "/Take").replace('"Clip"', '"Take"')
    )
    assert find_breaks(DOCUMENT, document) == []


def test_breaks_are_refused_with_a_list():
    document = copy.deepcopy(DOCUMENT)
    del document["paths"]["/clips"]["post"]
    assert "\n  POST /clips: the operation is gone\n" in contract.describe_breaks(
        DOCUMENT, document
    )
    assert contract.describe_breaks(DOCUMENT, DOCUMENT) == ""


def test_what_was_released_is_kept():
    released, now = (json.loads(path.read_text()) for path in (contract.RELEASED, contract.FILE))
    assert find_breaks(released, now) == []
