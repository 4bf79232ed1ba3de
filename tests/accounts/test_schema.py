"""How the accounts and credits endpoints describe themselves."""

from typing import Any

import pytest
from drf_spectacular.validation import validate_schema

from tests.contract import described


@pytest.fixture(scope="module")
def schema() -> Any:
    return described()


def test_the_description_is_valid_openapi(schema: Any) -> None:
    validate_schema(schema)


def test_the_token_has_an_authorize_button(schema: Any) -> None:
    assert schema["components"]["securitySchemes"]["accessToken"] == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
    }


@pytest.mark.parametrize(
    ("path", "method", "answer"),
    [
        ("/auth/verify", "post", "VerifiedToken"),
        ("/users/me", "get", "Profile"),
        ("/users/me", "patch", "Profile"),
        ("/users/me/restore", "post", "Profile"),
        ("/users/me/export", "get", "Export"),
        ("/credits", "get", "Balance"),
    ],
)
def test_each_endpoint_names_its_answer(schema: Any, path: str, method: str, answer: str) -> None:
    operation = schema["paths"][path][method]
    assert operation["summary"]
    assert operation["security"] == [{"accessToken": []}]
    content = operation["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"$ref": f"#/components/schemas/{answer}"}


def test_the_history_is_a_page_of_transactions(schema: Any) -> None:
    operation = schema["paths"]["/credits/history"]["get"]
    parameters = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
    assert parameters["cursor"]["type"] == "string"
    assert parameters["limit"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    content = operation["responses"]["200"]["content"]["application/json"]["schema"]
    page = schema["components"]["schemas"][content["$ref"].rpartition("/")[2]]
    assert set(page["required"]) == {"transactions", "next", "previous"}
