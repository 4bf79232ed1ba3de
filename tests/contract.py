"""A client of the API that holds every answer against the API's own schema."""

import re
from functools import cache
from http import HTTPStatus
from typing import Any

from django.urls import Resolver404, resolve
from drf_spectacular.generators import SchemaGenerator
from jsonschema_rs import Draft202012Validator
from rest_framework.test import APIClient

from auteur.core.api import problem_responses
from auteur.core.api.problems import CONTENT_TYPE

JSON = "application/json"


class ContractClient(APIClient):
    """Fails where an operation answers a code that it does not list, or JSON of another shape.

    A test of what was stored before today's rules held says ``is_of_today = False``.
    """

    is_of_today = True

    def request(self, **kwargs: Any) -> Any:
        """The answer, when it has been looked at."""
        answer = super().request(**kwargs)
        if kwargs["REQUEST_METHOD"] != "HEAD":
            _check(answer, with_shape=self.is_of_today)
        return answer


def _check(answer: Any, *, with_shape: bool) -> None:
    path, method = _operation_of(answer.wsgi_request)
    operation = described()["paths"].get(path, {}).get(method)
    kind = answer.get("Content-Type", "").partition(";")[0]
    if operation is None:
        return
    if with_shape and kind == JSON and answer.status_code < HTTPStatus.BAD_REQUEST:
        _check_shape(answer, path, method)
    if kind == CONTENT_TYPE:
        code = answer.json()["code"]
        codes = codes_of(operation).get(answer.status_code, ())
        assert code in codes, f"{method} {path} does not list {answer.status_code} {code}"


def _check_shape(answer: Any, path: str, method: str) -> None:
    body = answer.json()
    of_type = body.get("type") if isinstance(body, dict) else None
    found = _shape(path, method, str(answer.status_code), of_type).iter_errors(body)
    wrong = [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in found]
    assert not wrong, f"{method} {path} answers what its schema does not say: {wrong[:5]}"


@cache
def _shape(path: str, method: str, status: str, of_type: str | None) -> Draft202012Validator:
    """Of an operation's answer, of which there may be one for each type."""
    answer = described()["paths"][path][method]["responses"].get(status)
    assert answer is not None, f"{method} {path} does not list {status}"
    schema, components = answer["content"][JSON]["schema"], described()["components"]
    named = components["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
    kinds = named.get("discriminator", {}).get("mapping", {})
    chosen = {"$ref": kinds[of_type]} if of_type in kinds else schema
    return Draft202012Validator(chosen | {"components": components})


def _operation_of(request: Any) -> tuple[str, str]:
    """As the schema names it; of an address that there is not, what names no operation."""
    try:
        route = resolve(request.path_info).route
    except Resolver404:
        return "", ""
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route), request.method.lower()


def codes_of(operation: dict[str, Any]) -> dict[int, list[str]]:
    """The codes that an operation lists, by status."""
    return {
        int(status): problem_responses.list_response_codes(_whole(answer))
        for status, answer in operation["responses"].items()
        if status.isdecimal()
    }


def _whole(answer: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = described()["components"]["responses"]
    return responses[answer["$ref"].rpartition("/")[2]] if "$ref" in answer else answer


@cache
def described() -> dict[str, Any]:
    """The API's schema."""
    document: dict[str, Any] = SchemaGenerator().get_schema(public=True)
    return document
