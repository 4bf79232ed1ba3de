"""A client of the API that holds every problem it is answered against the API's own schema."""

import re
from functools import cache
from typing import Any

from django.urls import Resolver404, resolve
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from auteur.api import problem_responses
from auteur.api.problems import CONTENT_TYPE


class ContractClient(APIClient):
    """Fails where an operation answers a code that it does not list."""

    def request(self, **kwargs: Any) -> Any:
        """The answer, when it has been looked at."""
        answer = super().request(**kwargs)
        if answer.get("Content-Type") == CONTENT_TYPE and kwargs["REQUEST_METHOD"] != "HEAD":
            _check(answer)
        return answer


def _check(answer: Any) -> None:
    path, method = _operation_of(answer.wsgi_request)
    operation = described()["paths"].get(path, {}).get(method)
    if operation is not None:
        code = answer.json()["code"]
        codes = codes_of(operation).get(answer.status_code, ())
        assert code in codes, f"{method} {path} does not list {answer.status_code} {code}"


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
        int(status): problem_responses.codes_of(_whole(answer))
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
