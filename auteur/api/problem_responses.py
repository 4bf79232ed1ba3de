"""Which problems an operation can answer, by status, as the API's schema lists them.

A view names those of its methods (``problems``), as authentication, permissions, pagination and
fields of requests do theirs. What follows from the operation itself is added here.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from rest_framework import exceptions
from rest_framework.permissions import IsAuthenticated

from auteur.api import idempotency, preconditions
from auteur.api.problems import (
    CONTENT_TYPE,
    NotFoundProblem,
    PayloadTooLargeProblem,
    UnavailableProblem,
)

Kind = type[exceptions.APIException]
Listed = dict[int, set[str]]
"""Codes by status."""

ALWAYS: tuple[tuple[int, str], ...] = (
    (400, "bad_request"),
    (400, "invalid"),
    (406, "not_acceptable"),
    (500, "internal_error"),
)
"""Any request may be malformed, bring an unknown parameter, accept nothing that we send, or meet a
bug."""
OF_BODIES: tuple[Kind, ...] = (
    exceptions.ParseError,
    PayloadTooLargeProblem,
    exceptions.UnsupportedMediaType,
)
WITH_BODIES = frozenset({"POST", "PUT", "PATCH"})
OF_HEADERS: Mapping[str, tuple[Kind, ...]] = {
    idempotency.HEADER: idempotency.PROBLEMS,
    preconditions.HEADER: preconditions.PROBLEMS,
}


def list_codes(view: Any, method: str, operation: Mapping[str, Any]) -> Listed:
    """The codes that a method of a view can answer, ``operation`` being what OpenAPI says of it."""
    found: Listed = defaultdict(set)
    for status, code in ALWAYS:
        found[status].add(code)
    kinds: list[Kind] = [
        UnavailableProblem,
        *_of_view(view, method),
        *_of_operation(method, operation),
    ]
    for kind in kinds:
        found[kind.status_code].add(code_of(kind))
    return found


def code_of(kind: Kind) -> str:
    """The ``code`` of its document."""
    return "invalid" if issubclass(kind, exceptions.ValidationError) else str(kind.default_code)


def add_responses(operation: dict[str, Any], found: Listed) -> None:
    """Put them into an operation of the schema, which may say more of a status itself."""
    for status, codes in sorted(found.items()):
        described = HTTPStatus(status).phrase
        schema = {
            "allOf": [
                {"$ref": "#/components/schemas/Problem"},
                {"properties": {"code": {"enum": sorted(codes), "type": "string"}}},
            ]
        }
        content = {CONTENT_TYPE: {"schema": schema}}
        answer = {"description": described, "content": content}
        operation["responses"].setdefault(str(status), answer)


def share_responses(document: dict[str, Any]) -> None:
    """Have answers that several operations have in common stand once, named after their codes."""
    responses = document["components"].setdefault("responses", {})
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                if codes := codes_of(answer):
                    name = "-".join((status, *codes))
                    responses[name] = answer
                    operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}


def codes_of(answer: Mapping[str, Any]) -> list[str]:
    """The codes that an answer of `add_responses` lists; none of any other."""
    schema = answer.get("content", {}).get(CONTENT_TYPE, {}).get("schema", {})
    if "allOf" not in schema:
        return []
    codes: list[str] = schema["allOf"][1]["properties"]["code"]["enum"]
    return codes


def _of_view(view: Any, method: str) -> Iterable[Kind]:
    yield from getattr(view, "problems", {}).get(method, ())
    if method == "GET":
        yield from getattr(getattr(view, "pagination_class", None), "problems", ())
    if any(isinstance(each, IsAuthenticated) for each in view.get_permissions()):
        yield exceptions.NotAuthenticated
    for authentication in view.get_authenticators():
        yield from getattr(authentication, "problems", ())
    for permission in view.get_permissions():
        if hasattr(permission, "problems_of"):
            yield from permission.problems_of(view, method)
    if view.get_authenticators() or view.get_throttles():
        yield exceptions.Throttled


def _of_operation(method: str, operation: Mapping[str, Any]) -> Iterable[Kind]:
    places = {each["in"] for each in operation.get("parameters", ())}
    if "path" in places:
        yield NotFoundProblem
    if method in WITH_BODIES:
        yield from OF_BODIES
    for parameter in operation.get("parameters", ()):
        yield from OF_HEADERS.get(parameter["name"], ())
