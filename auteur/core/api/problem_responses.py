"""Lists of the problems that an operation can answer with, for the API schema.

A view names the problems of its methods (``problems``), and so do authentication, permissions,
pagination and request fields. This module adds those that follow from the operation itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from rest_framework import exceptions
from rest_framework.permissions import IsAuthenticated

from auteur.core.api import idempotency, preconditions
from auteur.core.api.problems import (
    CONTENT_TYPE,
    NotFoundProblem,
    PayloadTooLargeProblem,
    UnavailableProblem,
)

Kind = type[exceptions.APIException]
CodesByStatus = dict[int, set[str]]
"""Codes by status."""

COMMON_CODES: tuple[tuple[int, str], ...] = (
    (400, "bad_request"),
    (400, "invalid"),
    (406, "not_acceptable"),
    (500, "internal_error"),
)
"""The codes of every operation, because any request can be malformed or meet a bug."""
BODY_PROBLEMS: tuple[Kind, ...] = (
    exceptions.ParseError,
    PayloadTooLargeProblem,
    exceptions.UnsupportedMediaType,
)
WITH_BODIES = frozenset({"POST", "PUT", "PATCH"})
HEADER_PROBLEMS: Mapping[str, tuple[Kind, ...]] = {
    idempotency.HEADER: idempotency.PROBLEMS,
    preconditions.HEADER: preconditions.PROBLEMS,
}


def list_codes(view: Any, method: str, operation: Mapping[str, Any]) -> CodesByStatus:
    """Return the codes that a method of a view can answer with.

    ``operation`` is the method's OpenAPI description.
    """
    codes: CodesByStatus = defaultdict(set)
    for status, code in COMMON_CODES:
        codes[status].add(code)
    kinds: list[Kind] = [
        UnavailableProblem,
        *_list_view_problems(view, method),
        *_list_operation_problems(method, operation),
    ]
    for kind in kinds:
        codes[kind.status_code].add(get_code(kind))
    return codes


def get_code(kind: Kind) -> str:
    """Return the ``code`` in the document of a problem."""
    return "invalid" if issubclass(kind, exceptions.ValidationError) else str(kind.default_code)


def add_responses(operation: dict[str, Any], codes_by_status: CodesByStatus) -> None:
    """Add the codes to an operation of the schema. Keep a status that it describes itself."""
    for status, codes in sorted(codes_by_status.items()):
        schema = {
            "allOf": [
                {"$ref": "#/components/schemas/Problem"},
                {"properties": {"code": {"enum": sorted(codes), "type": "string"}}},
            ]
        }
        content = {CONTENT_TYPE: {"schema": schema}}
        response = {"description": HTTPStatus(status).phrase, "content": content}
        operation["responses"].setdefault(str(status), response)


def share_responses(document: dict[str, Any]) -> None:
    """Move the problem responses to shared components that are named after their codes."""
    responses = document["components"].setdefault("responses", {})
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if codes := list_response_codes(response):
                    name = "-".join((status, *codes))
                    responses[name] = response
                    operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}


def list_response_codes(answer: Mapping[str, Any]) -> list[str]:
    """Return the codes of a response that `add_responses` made, or an empty list for others."""
    schema = answer.get("content", {}).get(CONTENT_TYPE, {}).get("schema", {})
    if "allOf" not in schema:
        return []
    codes: list[str] = schema["allOf"][1]["properties"]["code"]["enum"]
    return codes


def _list_view_problems(view: Any, method: str) -> Iterable[Kind]:
    yield from getattr(view, "problems", {}).get(method, ())
    if method == "GET":
        yield from getattr(getattr(view, "pagination_class", None), "problems", ())
    if any(isinstance(permission, IsAuthenticated) for permission in view.get_permissions()):
        yield exceptions.NotAuthenticated
    for authentication in view.get_authenticators():
        yield from getattr(authentication, "problems", ())
    for permission in view.get_permissions():
        if hasattr(permission, "list_problems"):
            yield from permission.list_problems(view, method)
    if view.get_authenticators() or view.get_throttles():
        yield exceptions.Throttled


def _list_operation_problems(method: str, operation: Mapping[str, Any]) -> Iterable[Kind]:
    locations = {parameter["in"] for parameter in operation.get("parameters", ())}
    if "path" in locations:
        yield NotFoundProblem
    if method in WITH_BODIES:
        yield from BODY_PROBLEMS
    for parameter in operation.get("parameters", ()):
        yield from HEADER_PROBLEMS.get(parameter["name"], ())
